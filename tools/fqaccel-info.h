/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of fqaccel-info. */
#ifndef TOOLS_INFO_H
#define TOOLS_INFO_H

#include <stdbool.h>

/**
 * info_cards() - list the machine's cards
 * @dump: NULL, or a file made by `lspci -Dxxxx`: list the cards in it instead
 * @json: as one JSON document
 * Return: the tool's exit status.
 */
int info_cards(const char *dump, bool json);

/** info_model() - print what a .fqz image holds; returns the tool's exit status. */
int info_model(const char *path, bool json);

#endif
