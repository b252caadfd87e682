/* SPDX-License-Identifier: MIT */
/*
 * A client of QEMU's qtest protocol: an emulator without a processor, whose
 * memory, ports and devices a test reads and writes itself.
 *
 * Whatever goes wrong with the emulator itself (it does not start, dies, does
 * not answer) ends the program through bail().
 */
#ifndef QTEST_H
#define QTEST_H

#include <stddef.h>
#include <stdint.h>

struct qtest;

/**
 * qtest_start() - start build/qemu-system-x86_64, or $FQACCEL_QEMU
 * @device: of the -device option
 */
struct qtest *qtest_start(const char *device);

/** qtest_stop() - end the emulator. Return: 0 if it was alive and ended as it should. */
int qtest_stop(struct qtest *q);

/** qtest_run() - an emulator that should not start. Return: its exit status; @text: stderr. */
int qtest_run(const char *device, char *text, size_t len);

uint8_t qtest_readb(struct qtest *q, uint64_t addr);
uint16_t qtest_readw(struct qtest *q, uint64_t addr);
uint32_t qtest_readl(struct qtest *q, uint64_t addr);
uint64_t qtest_readq(struct qtest *q, uint64_t addr);
void qtest_writeb(struct qtest *q, uint64_t addr, uint8_t value);
void qtest_writew(struct qtest *q, uint64_t addr, uint16_t value);
void qtest_writel(struct qtest *q, uint64_t addr, uint32_t value);
void qtest_writeq(struct qtest *q, uint64_t addr, uint64_t value);
void qtest_outb(struct qtest *q, uint16_t port, uint8_t value);
void qtest_outl(struct qtest *q, uint16_t port, uint32_t value);

/* Bytes of guest memory, in pieces. */
void qtest_read(struct qtest *q, uint64_t addr, void *buf, size_t len);
void qtest_write(struct qtest *q, uint64_t addr, const void *buf, size_t len);
void qtest_fill(struct qtest *q, uint64_t addr, uint8_t value, size_t len);

#endif
