/* SPDX-License-Identifier: MIT */
/* Which executor a card uses. */
#include "exec.h"

const struct card_exec *card_exec_default(void)
{
	return card_exec_reference();
}
