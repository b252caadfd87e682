// SPDX-License-Identifier: GPL-2.0-or-later
/* fqaccel-info: what cards there are, or what a .fqz image holds. */
#include <getopt.h>
#include <stdio.h>

#include "common/cli.h"
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

enum { OPT_JSON = 256, OPT_DUMP, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "dump", required_argument, NULL, OPT_DUMP },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	const char *dump = NULL;
	bool json = false;
	int c;

	cli_start("fqaccel-info");
	argv[0] = (char *)"fqaccel-info";
	while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_JSON:
			json = true;
			break;
		case OPT_DUMP:
			dump = optarg;
			break;
		case 'h':
		case OPT_HELP:
			fputs(help, stdout);
			return cli_finish(CLI_OK);
		case 'V':
		case OPT_VERSION:
			return cli_finish(cli_version());
		default:
			return cli_usage_hint();
		}
	}
	if (argc - optind > 1)
		return cli_usage("one model at a time");
	if (argc - optind == 1 && dump)
		return cli_usage("--dump is for listing cards: it takes no model");
	if (argc - optind == 1)
		return cli_finish(info_model(argv[optind], json));
	return cli_finish(info_cards(dump, json));
}
