// SPDX-License-Identifier: MIT
/* Options by layer: --config and --keep over those for all; what is refused, and where. */
#include <unistd.h>

#include "compress/compress.h"
#include "quant_net.h"
#include "tap.h"

static struct compress_options o;
static struct net *net;
static char err[512], path[] = "/tmp/fqaccel-plan-XXXXXX";

static struct quantize_layer_options *plan(const char *config)
{
	struct quantize_layer_options *layers = NULL;
	FILE *f;

	o.config = config ? path : NULL;
	if (config) {
		f = fopen(path, "w");
		fputs(config, f);
		fclose(f);
	}
	snprintf(err, sizeof(err), "accepted");
	plan_make(&o, net, &layers, err, sizeof(err));
	return layers;
}

static void refuses(const char *what, const char *config, const char *text)
{
	struct quantize_layer_options *l = plan(config);
	char want[600];

	snprintf(want, sizeof(want), "%s:%s", path, text);
	is_str(err, want, what);
	free(l);
}

static void refuses_keep(const char *what, const char *text)
{
	struct quantize_layer_options *l = plan(NULL);

	is_str(err, text, what);
	free(l);
}

static void rename_layer(uint32_t i, const char *name)
{
	free(net->layers[i].name);
	net->layers[i].name = strdup(name);
}

static void test_refusals(void)
{
	refuses("an unknown layer", "\n# none\nconv9 bits=4\n", "3: there is no layer 'conv9'; a "
		"compression's report names them");
	refuses("a layer named twice", "fc bits=4\nconv a bits=3\nfc bits=4\n",
		"3: layer 'fc' is in line 1 already");
	refuses("bits out of range", "fc bits=9\n", "1: bits=9: 3 to 8 is expected");
	refuses("bits with a tail", "fc bits=4x\n", "1: bits=4x: 3 to 8 is expected");
	refuses("a mode", "fc mode=left\n",
		"1: mode=left: auto, shift or recentralized is expected");
	refuses("a sparsity of 1", "fc sparsity=1\n",
		"1: sparsity=1: a share from 0 to below 1 is expected");
	refuses("a sparsity that is none", "fc sparsity=nan\n",
		"1: sparsity=nan: a share from 0 to below 1 is expected");
	refuses("a coder", "fc coder=zip\n",
		"1: coder=zip: auto, huffman, rle-huffman or tans is expected");
	refuses("a setting given twice", "fc bits=4 bits=5\n", "1: bits is given twice");
	refuses("a line without settings", "fc\n",
		"1: layer 'fc': bits=, mode=, sparsity= or coder= is expected");
	refuses("a misspelled setting", "fc bit=4\n",
		"1: there is no layer 'fc bit=4'; a compression's report names them");
	refuses("a layer without weights", "pool bits=4\n", "1: layer 'pool' has no weights");
	refuses("a name of two layers", "twin bits=4\n", "1: two layers are called 'twin'");
	o.quantize.prune = QUANTIZE_PRUNE_NONE;
	refuses("a sparsity with --prune none", "fc sparsity=0.5\n",
		"1: sparsity=0.5, but --prune none");
	o.quantize.prune = QUANTIZE_PRUNE_MAGNITUDE;
}

static void test_long_line(void)
{
	static char text[3000];

	memset(text, 'x', sizeof(text) - 1);
	refuses("a line too long", text, "1: not a line of text of less than 1024 bytes");
}

static void test_values(void)
{
	struct quantize_layer_options *l;

	o.keep_count = 0;
	l = plan("conv a\tbits=8  mode=shift\n  fc sparsity=0.5 coder=tans bits=3 \r\n");
	ok(l && l[0].bits == 8 && l[0].mode == QUANT_SHIFT && l[0].sparsity < 0 &&
	   l[0].coder == FQZ_HUFFMAN, "a layer's settings over those for all: %s", err);
	ok(l && l[7].bits == 3 && l[7].sparsity == 0.5 && l[7].coder == FQZ_TANS &&
	   l[7].mode == QUANT_RECENTRALIZED, "in any order");
	ok(l && l[2].bits == 5 && l[2].sparsity < 0, "others have what all have");
	free(l);
	o.keeps[0] = (struct compress_keep){ "fc", 7 };
	o.keep_count = 1;
	l = plan("fc bits=3 mode=shift");
	ok(l && l[7].bits == 7 && l[7].mode == QUANT_SHIFT, "--keep comes last");
	free(l);
	o.keeps[1] = o.keeps[0];
	o.keep_count = 2;
	refuses_keep("--keep twice", "--keep fc is given twice");
	o.keeps[1].layer = "none";
	refuses_keep("--keep of an unknown layer",
		     "there is no layer 'none'; a compression's report names them");
	o.keep_count = 0;
}

int main(void)
{
	int fd = mkstemp(path);
	struct quantize_layer_options *l;

	if (fd < 0)
		bail("no temporary file");
	close(fd);
	net = quant_net();
	rename_layer(0, "conv a");
	rename_layer(1, "pool");
	rename_layer(2, "twin");
	rename_layer(4, "twin");
	rename_layer(7, "fc");
	o.quantize.weights.bits = 5;
	o.quantize.weights.mode = QUANT_RECENTRALIZED;
	o.quantize.prune = QUANTIZE_PRUNE_MAGNITUDE;
	o.coder = FQZ_HUFFMAN;
	test_refusals();
	test_long_line();
	test_values();
	unlink(path);
	l = plan(NULL);
	ok(l && l[0].bits == 5, "no configuration");
	free(l);
	o.config = "/nowhere/at/all";
	l = NULL;
	plan_make(&o, net, &l, err, sizeof(err));
	is_str(err, "/nowhere/at/all: No such file or directory", "one that is not there");
	free(l);
	net_destroy(net);
	return tap_done();
}
