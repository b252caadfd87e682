/* SPDX-License-Identifier: MIT */
/* Networks for the tests of libfqz, and surgery on their images. */
#ifndef TEST_FQZ_NET_H
#define TEST_FQZ_NET_H

#include "fqz.h"
#include "image_fix.h"

#include <stddef.h>
#include <stdint.h>

#define NET_MAX_LAYERS	40

/* A network under construction; it owns what its layers point to. */
struct net {
	struct fqz_image img;
	struct fqz_tensor tensors[NET_MAX_LAYERS + 1];
	struct fqz_layer layers[NET_MAX_LAYERS];
	void *owned[4 * NET_MAX_LAYERS];
	uint32_t owned_count;
	uint64_t seed;
};

/* The same numbers for the same seed, everywhere. */
uint32_t net_random(uint64_t *seed, uint32_t below);

/* One U8 input of that shape; no layers yet. */
void net_init(struct net *n, uint64_t seed, uint32_t c, uint32_t h, uint32_t w);
void net_free(struct net *n);

/*
 * Adds a layer. l gives kind, inputs and geometry; the output's shape and type
 * are as told, its clamp is the type's range, where l leaves both bounds 0.
 * Channel parameters and symbols are drawn, three of four symbols pruned.
 * Returns the output tensor.
 */
uint32_t net_add(struct net *n, struct fqz_layer l, enum fqz_type type, uint32_t c,
		 uint32_t h, uint32_t w);

/* Layers of one input, ready for net_add(). */
struct fqz_layer net_layer(enum fqz_kind kind, uint32_t input);
struct fqz_layer net_conv(uint32_t input, uint32_t kernel, uint32_t stride, uint32_t pad,
			  enum fqz_mode mode, uint32_t bits);
struct fqz_layer net_fc(uint32_t input, enum fqz_mode mode, uint32_t bits);

/* A layer of every kind, classes, names, metadata; about 3 KB. */
void net_every_kind(struct net *n);
/* The same layers with factors that let the output depend on the input. */
void net_alive(struct net *n);
/* FORMAT.md section 11: the filter of the paper's Figure 2. */
void net_example(struct net *n);
/* Three layers, every optional section, under 1 KB. */
void net_small(struct net *n);
/* An FC layer whose stream has several segments. */
void net_segments(struct net *n);
/* Only a pool: neither channel parameters nor weights. */
void net_pool(struct net *n);
/* One FC layer of one output, on an input of 4 x 1 x 1 that tests enlarge. */
void net_one_fc(struct net *n);
/* The largest sum of 8-bit elements, then one weight of +2^m+. */
void net_sum(struct net *n);
/* A convolution of each mode and width, and a classifier. */
void net_widths(struct net *n);

/* The same networks in another coder. */
void net_rle_example(struct net *n);
void net_tans_example(struct net *n);
void net_rle_kinds(struct net *n);
void net_tans_kinds(struct net *n);
void net_rle_segments(struct net *n);
void net_tans_segments(struct net *n);
/* A convolution in several segments whose neighbors have most often the same sign. */
void net_contexts(struct net *n);
/* An FC layer in which three quarters of the symbols are 0, in each coder. */
void net_rle_fc(struct net *n);
void net_tans_fc(struct net *n);
/* Takes that coder for all layers with weights. */
void net_set_coder(struct net *n, enum fqz_coder coder);

/* The written image, malloc()ed; ends the program where the writer refuses. */
uint8_t *net_write(const struct net *n, size_t *len);
/* The same of one of the above. */
uint8_t *net_build(void (*fill)(struct net *n), size_t *len);

/* Opens an image and decodes all of it: 0, or the first refusal. */
int image_verify(const uint8_t *image, size_t len, struct fqz_error *err);

/* Surgery: where a section is, 0 if it is not there; its entry in the table. */
size_t image_section(const uint8_t *image, uint32_t type, size_t *size);
size_t image_entry(const uint8_t *image, uint32_t type);
/*
 * The image with a section of that type taken out (data NULL), put in or
 * replaced; malloc()ed, CRCs right, File_Size and offsets as they must be.
 */
uint8_t *image_with_section(const uint8_t *image, uint32_t type, uint32_t flags,
			    const void *data, size_t size, size_t *len);

#endif
