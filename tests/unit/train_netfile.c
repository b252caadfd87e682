// SPDX-License-Identifier: MIT
/* Descriptions of networks: what they become, what is refused and where, damaged ones, no memory. */
#include <errno.h>
#include <math.h>

#include "fail_alloc.h"
#include "net/rng.h"
#include "tap.h"
#include "train/netfile.h"

static struct net_error err;

static int parse(const char *text, struct net **net)
{
	err.text[0] = '\0';
	return netfile_parse(text, strlen(text), "a.net", net, &err);
}

static void refused(const char *text, const char *want, const char *what)
{
	struct net *net;
	int rc = parse(text, &net);

	if (!ok(rc == -EINVAL && !net && !strcmp(err.text, want), "%s", what))
		diag("returned %d: %s", rc, err.text);
	net_destroy(net);
}

static const char all_kinds[] =
	"# every kind\n"
	"input 3 16 12\n"
	"\n"
	"conv a out=8 kernel=3 pad=1 relu\r\n"
	"conv b out=8 kernel=3x1 pad=1,0,1,0 groups=4 relu6 # behind a\n"
	"conv c out=8 kernel=3 dilation=2 pad=2 from=a\n"
	"add\td from=b,c relu\n"
	"maxpool e kernel=2\n"
	"avgpool f kernel=3 stride=2 pad=1 count-padding from=d\n"
	"concat g from=e,f\n"
	"conv h out=5 kernel=1 stride=2x3 relu\n"
	"fc i out=6 relu6\n"
	"fc j out=4";

static const struct net_layer *named(const struct net *net, const char *name)
{
	uint32_t i;

	for (i = 0; i < net->layer_count; i++)
		if (!strcmp(net->layers[i].name, name))
			return &net->layers[i];
	bail("no layer %s", name);
}

static void has_size(const struct net *net, const char *name, uint32_t c, uint32_t h, uint32_t w)
{
	const struct net_tensor *t = &net->tensors[named(net, name)->out];

	if (!ok(t->c == c && t->h == h && t->w == w, "size of %s", name))
		diag("%u x %u x %u", t->c, t->h, t->w);
}

static void test_kinds(void)
{
	const struct net_layer *l;
	struct net *net;
	size_t i, n;

	if (parse(all_kinds, &net))
		bail("%s", err.text);
	is_int(net->layer_count, 10, "ten layers");
	has_size(net, "a", 8, 16, 12);
	has_size(net, "b", 8, 16, 12);
	has_size(net, "e", 8, 8, 6);
	has_size(net, "f", 8, 8, 6);
	has_size(net, "g", 16, 8, 6);
	has_size(net, "h", 5, 4, 2);
	has_size(net, "i", 6, 1, 1);
	has_size(net, "j", 4, 1, 1);
	l = named(net, "b");
	ok(l->kernel_h == 3 && l->kernel_w == 1 && l->pad_top == 1 && !l->pad_left &&
	   l->pad_bottom == 1 && !l->pad_right && l->groups == 4, "window of b");
	ok(l->act_min == 0 && l->act_max == 6, "relu6");
	is_int(net_layer_weights(net, l), 8 * 2 * 3, "weights in groups");
	ok(named(net, "a")->act_max == INFINITY && named(net, "c")->act_min == -INFINITY,
	   "relu and none");
	l = named(net, "c");
	ok(l->dilation_h == 2 && l->in[0] == named(net, "a")->out, "dilation, from=");
	l = named(net, "d");
	ok(l->kind == NET_ADD && l->in[0] == named(net, "b")->out &&
	   l->in[1] == named(net, "c")->out, "add's inputs in their order");
	ok(named(net, "f")->count_padding && named(net, "e")->stride_w == 2, "pools");
	l = named(net, "i");
	ok(l->kind == NET_FC && l->kernel_h == 4 && l->kernel_w == 2, "fc over its whole input");
	for (i = 0, n = net_layer_weights(net, l); i < n && l->weight[i] == 0; i++)
		;
	ok(i == n && l->bias[0] == 0, "weights and biases are 0");
	ok(net->output == named(net, "j")->out && net->input == 0, "input and output");
	net_destroy(net);
}

#define TOP "input 3 8 8\n"

static void test_refused(void)
{
	refused("", "a.net: no layers", "nothing");
	refused("conv a out=1 kernel=1\n", "a.net:1: a layer before the input", "no input");
	refused("input 3 8\n", "a.net:1: input CHANNELS ROWS COLUMNS, each from 1 to 65535",
		"input without columns");
	refused("input 2 8 8\n", "a.net:1: pictures have 1 or 3 channels, not 2", "two channels");
	refused("input 3 9000 9000\n", "a.net:1: tensor 'input': 3 x 9000 x 9000 is outside the "
		"limits (each at most 65535, 67108864 elements)", "a picture beyond the card's");
	refused(TOP TOP, "a.net:2: a second input", "two inputs");
	refused(TOP "\n# x\nconf a\n", "a.net:4: unknown kind of layer 'conf'", "kind");
	refused(TOP "fc\n", "a.net:2: fc must be followed by a name of at most 60 letters, digits, "
		"or _ . / -", "no name");
	refused(TOP "fc a=1\n", "a.net:2: fc must be followed by a name of at most 60 letters, "
		"digits, or _ . / -", "a name that is none");
	refused(TOP "fc a out=2\nfc a out=2\n", "a.net:3: a second layer 'a'", "name twice");
	refused(TOP "fc a\n", "a.net:2: how many output channels? Add out=N", "no out");
	refused(TOP "conv a out=2\n", "a.net:2: how large is its window? Add kernel=N", "no kernel");
	refused(TOP "fc a out=2 out=3x\n", "a.net:2: out=3x: a number from 1 to 65535", "out=3x");
	refused(TOP "fc a out=4294967297\n", "a.net:2: out=4294967297: a number from 1 to 65535",
		"a number that wraps");
	refused(TOP "fc a out=2 kernel=2\n", "a.net:2: fc takes no 'kernel'", "fc with a kernel");
	refused(TOP "maxpool a kernel=2 relu\n", "a.net:2: maxpool takes no 'relu'", "pool, relu");
	refused(TOP "maxpool a kernel=2 dilation=2\n", "a.net:2: maxpool takes no 'dilation'",
		"pool with dilation");
	refused(TOP "conv a out=2 kernel=1 count-padding\n", "a.net:2: conv takes no "
		"'count-padding'", "convolution that counts padding");
	refused(TOP "fc a out=2 swish\n", "a.net:2: unknown word 'swish'", "word");
	refused(TOP "fc a out=2 in=3\n", "a.net:2: unknown word 'in'", "key");
	refused(TOP "conv a out=2 kernel=0\n",
		"a.net:2: kernel=0: N or ROWSxCOLUMNS, 1 to 1024", "kernel 0");
	refused(TOP "conv a out=2 kernel=1 stride=1x\n",
		"a.net:2: stride=1x: N or ROWSxCOLUMNS, 1 to 255", "half a stride");
	refused(TOP "conv a out=2 kernel=1 pad=1,2\n",
		"a.net:2: pad=1,2: N or TOP,LEFT,BOTTOM,RIGHT, 0 to 255", "half a pad");
}

/* What the words mean does not fit together. */
static void test_unfit(void)
{
	refused(TOP "conv a out=2 kernel=11 pad=1\n",
		"a.net:2: the kernel is larger than its input, 10 x 10 with padding", "large kernel");
	refused(TOP "conv a out=2 kernel=3 pad=3\nglobalpool b\n",
		"a.net: layer 'a': the padding is as large as the kernel, which the card can't do",
		"large pad");
	refused(TOP "conv a out=4 kernel=1 groups=2\n",
		"a.net:2: 3 channels in and 4 out do not make 2 groups", "groups");
	refused(TOP "conv a out=4 kernel=1 from=b\n",
		"a.net:2: from=b: no layer before has that name", "from later");
	refused(TOP "conv a out=4 kernel=1 from=\n",
		"a.net:2: conv takes 1 inputs; add from=NAME,NAME", "from nothing");
	refused(TOP "conv a out=3 kernel=1\nadd b\n",
		"a.net:3: add takes 2 inputs; add from=NAME,NAME", "add of one");
	refused(TOP "conv a out=3 kernel=1\nadd b from=a,a,a\n",
		"a.net:3: add takes at most 2 inputs", "add of three");
	refused(TOP "conv a out=2 kernel=1\nadd b from=a,input\n",
		"a.net:3: its inputs are of 2 x 8 x 8 and 3 x 8 x 8", "add of two sizes");
	refused(TOP "conv a out=2 kernel=3\nconcat b from=input,a\n",
		"a.net:3: its inputs are of 3 x 8 x 8 and 2 x 6 x 6", "concat of two sizes");
	refused(TOP "conv a out=2 kernel=3\n", "a.net: the last layer gives 2 x 6 x 6; a classifier "
		"ends with fc or globalpool", "no classifier");
	refused(TOP "conv a out=2 kernel=3\nfc b out=2 from=input\n", "a.net: nothing reads 'a'",
		"a layer that nothing reads");
	refused("input 3 1000 1000\nfc a out=1000\n", "a.net:2: more than 268435456 weights in "
		"all, or 1048576 for one output", "weights without end");
	refused("input 1 1000 1000\nfc a out=200\nfc b out=200 from=input\nadd c from=a,b\n",
		"a.net:3: more than 268435456 weights in all, or 1048576 for one output",
		"weights of all layers without end");
}

static void test_bytes(void)
{
	static const char zero[] = TOP "fc a\0 out=2";
	struct net *net;
	char *big;

	is_int(netfile_parse(zero, sizeof(zero) - 1, "a.net", &net, &err), -EINVAL, "a zero byte");
	is_str(err.text, "a.net: not a text", "is said so");
	big = calloc(1, NETFILE_MAX_BYTES + 1);
	if (!big)
		bail("out of memory");
	memset(big, '\n', NETFILE_MAX_BYTES + 1);
	is_int(netfile_parse(big, NETFILE_MAX_BYTES + 1, "a.net", &net, &err), -EINVAL,
	       "more than the limit");
	is_int(netfile_parse(big, NETFILE_MAX_BYTES, "a.net", &net, &err), -EINVAL,
	       "empty lines alone");
	is_str(err.text, "a.net: no layers", "have no layers");
	free(big);
	is_int(netfile_load("/nonexistent/a.net", &net, &err), -ENOENT, "no such file");
	ok(strstr(err.text, "/nonexistent/a.net") == err.text, "is named: %s", err.text);
}

/* Cut and changed texts: refused with a place, or a network; the sanitizers watch. */
static void test_damaged(void)
{
	char text[sizeof(all_kinds)], small[] = "input 3 8 8\nfc a out=2\n";
	unsigned int made = 0, wrong = 0;
	struct net *net;
	size_t i, n;
	int rc;

	for (n = 0; n < sizeof(all_kinds); n++) {
		rc = netfile_parse(all_kinds, n, "a.net", &net, &err);
		made += !rc;
		wrong += rc && (net || strncmp(err.text, "a.net:", 6));
		net_destroy(rc ? NULL : net);
	}
	is_int(wrong, 0, "cut texts are refused with a place");
	ok(made >= 1, "the whole is not");
	for (n = 0; n < 4000; n++) {
		uint64_t draw = rng_bits(1, 2, n);

		memcpy(text, all_kinds, sizeof(text));
		for (i = 0; i <= draw % 3; i++) {
			uint64_t v = rng_bits(i, 3, n);

			text[v % (sizeof(text) - 1)] =
				small[(v >> 32) % (sizeof(small) - 1)];
		}
		rc = parse(text, &net);
		made += !rc;
		wrong += rc && (net || strncmp(err.text, "a.net:", 6));
		net_destroy(rc ? NULL : net);
	}
	is_int(wrong, 0, "changed texts, too");
	diag("%u of them were networks", made);
}

static void test_memory(void)
{
	unsigned int wrong = 0;
	struct net *net;
	long i;
	int rc;

	for (i = 0; i < 1000; i++) {
		fail_alloc(i);
		rc = parse(all_kinds, &net);
		if (!fail_alloc_end()) {
			net_destroy(net);
			break;
		}
		wrong += rc != -ENOMEM || net;
	}
	ok(i > 15 && i < 1000 && !rc, "every allocation was let fail: %ld", i);
	is_int(wrong, 0, "each is -ENOMEM");
}

static void test_nets(void)
{
	static const struct {
		const char *path;
		uint64_t products, weights;
	} nets[] = {
		{ "tools/train/nets/cifar9.net", 53453920, 633280 },
		{ "tools/train/nets/resnet20.net", 40813184, 270896 },
		{ "tools/train/nets/small9.net", 0, 0 },
		{ "tools/train/nets/fashion.net", 0, 0 },
	};
	uint64_t products, weights;
	struct net *net;
	size_t n;
	uint32_t i, convs;

	for (n = 0; n < sizeof(nets) / sizeof(nets[0]); n++) {
		if (!ok(!netfile_load(nets[n].path, &net, &err), "%s", nets[n].path)) {
			diag("%s", err.text);
			continue;
		}
		products = weights = convs = 0;
		for (i = 0; i < net->layer_count; i++) {
			const struct net_tensor *t = &net->tensors[net->layers[i].out];

			convs += net->layers[i].kind == NET_CONV;
			weights += net_layer_weights(net, &net->layers[i]);
			products += net_layer_weights(net, &net->layers[i]) * t->h * t->w;
		}
		is_int(net->tensors[net->output].c, 10, "ten classes");
		diag("%s: %u convolutions, %llu products, %llu weights", nets[n].path, convs,
		     (unsigned long long)products, (unsigned long long)weights);
		if (nets[n].products) {
			is_int(products, nets[n].products, "its multiply-accumulates");
			is_int(weights, nets[n].weights, "its weights");
		}
		net_destroy(net);
	}
}

int main(void)
{
	test_kinds();
	test_refused();
	test_unfit();
	test_bytes();
	test_damaged();
	test_memory();
	test_nets();
	return tap_done();
}
