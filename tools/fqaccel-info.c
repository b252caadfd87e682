// SPDX-License-Identifier: GPL-2.0-or-later
/* fqaccel-info: what cards there are, or what a .fqz image holds. */
#include <getopt.h>
#include <stdio.h>

#include "common/cli.h"
#include "common/option.h"
#include "fqaccel-info.h"

static const char help[] =
"Usage: fqaccel-info [OPTION]... [MODEL.fqz]\n"
"\n"
"Without MODEL.fqz, lists the machine's fqaccel cards, with or without a driver. With it,\n"
"prints the network's layers, their bits, modes, sparsity and sizes.\n"
"\n"
"      --json       print one JSON document\n"
"      --dump FILE  list the cards in the output of 'lspci -Dxxxx', not this machine's\n"
"  -h, --help       print this and exit\n"
"  -V, --version    print the version and exit\n"
"\n"
"Exit status: 0 all went well, 1 something failed, 2 wrong usage.\n";

struct options {
	const char *dump;
	bool json;
};

#define AT(field) OPTION_FIELD(struct options, field)

static const struct option_spec specs[] = {
	{ "json", 0, OPT_FLAG, AT(json) },
	{ "dump", 0, OPT_TEXT, AT(dump) },
	{ "help", 'h', OPT_HELP, .help = help },
	{ "version", 'V', .kind = OPT_VERSION },
	{ .name = NULL },
};

int main(int argc, char **argv)
{
	struct options o = { .dump = NULL };
	int rc;

	cli_start("fqaccel-info");
	argv[0] = (char *)"fqaccel-info";
	rc = option_parse(specs, &o, NULL, argc, argv);
	if (rc)
		return cli_finish(rc - 1);
	if (argc - optind > 1)
		return cli_usage("one model at a time");
	if (argc - optind == 1 && o.dump)
		return cli_usage("--dump is for listing cards: it takes no model");
	if (argc - optind == 1)
		return cli_finish(info_model(argv[optind], o.json));
	return cli_finish(info_cards(o.dump, o.json));
}
