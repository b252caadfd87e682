/* SPDX-License-Identifier: MIT */
/*
 * Lets one allocation of a program fail: the next but fail_alloc(n) ones. Included by one file of a
 * program that is linked with $(FAIL_ALLOC), so that only what it is linked from is concerned, not
 * shared libraries.
 */
#ifndef FAIL_ALLOC_H
#define FAIL_ALLOC_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

/* Allocations of any thread before the one that fails; below 0 none does. */
static atomic_long fail_alloc_countdown = -1;

/* fail_alloc() - let one fail after @after others; -1: none */
static void fail_alloc(long after)
{
	atomic_store(&fail_alloc_countdown, after);
}

/* fail_alloc_end() - none fails any more; whether one did */
static bool fail_alloc_end(void)
{
	return atomic_exchange(&fail_alloc_countdown, -1) < 0;
}

static bool fail_alloc_now(void)
{
	if (atomic_load(&fail_alloc_countdown) < 0)
		return false;
	errno = ENOMEM;
	return atomic_fetch_sub(&fail_alloc_countdown, 1) == 0;
}

void *__wrap_malloc(size_t size)
{
	return fail_alloc_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fail_alloc_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fail_alloc_now() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return fail_alloc_now() ? NULL : __real_reallocarray(p, count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fail_alloc_now() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
	return fail_alloc_now() ? NULL : __real_strdup(text);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return fail_alloc_now() ? MAP_FAILED : __real_mmap(addr, len, prot, flags, fd, offset);
}

#endif
