// SPDX-License-Identifier: MIT
/*
 * CRC32C, eight bytes at a step (FORMAT.md section 1.1).
 *
 * tables[k][b] is the CRC of byte b followed by k zero bytes, without initial
 * value and final xor. That function is linear over xor, so eight constants, the
 * values for the single bits 0x01 to 0x80, give the 256 entries of a table.
 */
#include "fqz_private.h"

#define BIT(n, b, v)	((((n) >> (b)) & 1u) ? (v) : 0u)
#define ENTRY(n, a, b, c, d, e, f, g, h) \
	(BIT(n, 0, a) ^ BIT(n, 1, b) ^ BIT(n, 2, c) ^ BIT(n, 3, d) ^ \
	 BIT(n, 4, e) ^ BIT(n, 5, f) ^ BIT(n, 6, g) ^ BIT(n, 7, h))
#define ROW4(n, ...) \
	ENTRY((n) + 0u, __VA_ARGS__), ENTRY((n) + 1u, __VA_ARGS__), \
	ENTRY((n) + 2u, __VA_ARGS__), ENTRY((n) + 3u, __VA_ARGS__)
#define ROW16(n, ...) \
	ROW4((n) + 0u, __VA_ARGS__), ROW4((n) + 4u, __VA_ARGS__), \
	ROW4((n) + 8u, __VA_ARGS__), ROW4((n) + 12u, __VA_ARGS__)
#define ROW64(n, ...) \
	ROW16((n) + 0u, __VA_ARGS__), ROW16((n) + 16u, __VA_ARGS__), \
	ROW16((n) + 32u, __VA_ARGS__), ROW16((n) + 48u, __VA_ARGS__)
#define TABLE(...) \
	{ ROW64(0u, __VA_ARGS__), ROW64(64u, __VA_ARGS__), \
	  ROW64(128u, __VA_ARGS__), ROW64(192u, __VA_ARGS__) }

static const uint32_t tables[8][256] = {
	TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu,
	      0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
	TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u,
	      0x3fc5f181u, 0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
	TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u,
	      0x70a27d8au, 0xe144fb14u, 0xc76580d9u, 0x8b277743u),
	TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u,
	      0xe964b13du, 0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
	TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u,
	      0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
	TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu,
	      0xc00c303eu, 0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
	TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u,
	      0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
	TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau,
	      0x847609b4u, 0x0d006599u, 0x1a00cb32u, 0x34019664u),
};

uint32_t fqz_crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	crc = ~crc;
	while (len >= 8) {
		uint32_t a = crc ^ fqz_le32(p);
		uint32_t b = fqz_le32(p + 4);

		crc = tables[7][a & 0xff] ^ tables[6][a >> 8 & 0xff] ^
		      tables[5][a >> 16 & 0xff] ^ tables[4][a >> 24] ^
		      tables[3][b & 0xff] ^ tables[2][b >> 8 & 0xff] ^
		      tables[1][b >> 16 & 0xff] ^ tables[0][b >> 24];
		p += 8;
		len -= 8;
	}
	while (len--)
		crc = crc >> 8 ^ tables[0][(crc ^ *p++) & 0xff];
	return ~crc;
}
