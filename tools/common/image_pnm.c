// SPDX-License-Identifier: MIT
/* PPM and PGM, plain (P2, P3) and raw (P5, P6), maxval 1 to 65535. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "image_private.h"

struct pnm {
	const uint8_t *p, *end;
	char *err;
	size_t errlen;
	unsigned int channels;
	bool raw;
	uint32_t maxval;
};

static bool pnm_is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void pnm_skip_space(struct pnm *s)
{
	while (s->p < s->end) {
		if (*s->p == '#') {
			while (s->p < s->end && *s->p != '\n' && *s->p != '\r')
				s->p++;
		} else if (pnm_is_space(*s->p)) {
			s->p++;
		} else {
			break;
		}
	}
}

/* A decimal number of at most 6 digits, so that it cannot overflow. */
static int pnm_number(struct pnm *s, const char *what, uint32_t *value)
{
	int digits = 0;

	pnm_skip_space(s);
	for (*value = 0; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
		if (++digits > 6)
			return img_fail(-EBADMSG, s->err, s->errlen, "%s is too large", what);
		*value = *value * 10 + (*s->p - '0');
	}
	if (digits)
		return 0;
	if (s->p == s->end)
		return img_fail(-EBADMSG, s->err, s->errlen, "the file ends before %s", what);
	return img_fail(-EBADMSG, s->err, s->errlen, "%s is not a number", what);
}

static int pnm_read_header(struct pnm *s, uint32_t *w, uint32_t *h)
{
	int ret;

	switch (s->p[1]) {
	case '2':
	case '5':
		s->channels = 1;
		break;
	case '3':
	case '6':
		s->channels = 3;
		break;
	default:
		return img_fail(-EOPNOTSUPP, s->err, s->errlen,
				"a P%c file is not read (P2, P3, P5 and P6 are); convert it to PPM",
				s->p[1]);
	}
	s->raw = s->p[1] >= '5';
	s->p += 2;
	if (s->p < s->end && !pnm_is_space(*s->p) && *s->p != '#')
		return img_fail(-EBADMSG, s->err, s->errlen, "not a PPM or PGM header");
	ret = pnm_number(s, "the width", w);
	if (!ret)
		ret = pnm_number(s, "the height", h);
	if (!ret)
		ret = pnm_number(s, "the largest value", &s->maxval);
	if (ret)
		return ret;
	if (s->maxval < 1 || s->maxval > 65535)
		return img_fail(-EBADMSG, s->err, s->errlen,
				"the largest value is %u, not 1 to 65535", s->maxval);
	/* One single white space stands before raw samples: they may look like more of it. */
	if (s->raw) {
		if (s->p == s->end || !pnm_is_space(*s->p))
			return img_fail(-EBADMSG, s->err, s->errlen,
					"no white space after the largest value");
		s->p++;
	}
	return 0;
}

/* Whether that many samples can be there at all, before memory is taken for them. */
static int pnm_check_size(struct pnm *s, uint64_t samples)
{
	size_t have = (size_t)(s->end - s->p);
	/* Plain samples are a digit and a separator, the last one needs none. */
	uint64_t need = s->raw ? samples * (s->maxval > 255 ? 2 : 1) : 2 * samples - 1;

	if (need > have)
		return img_fail(-EBADMSG, s->err, s->errlen,
				"truncated: the pixels need %llu bytes, %zu are there",
				(unsigned long long)need, have);
	return 0;
}

static int pnm_sample(struct pnm *s, uint8_t *value)
{
	uint32_t v;
	int ret;

	if (!s->raw) {
		ret = pnm_number(s, "a pixel", &v);
		if (ret)
			return ret;
	} else if (s->maxval > 255) {
		v = (uint32_t)s->p[0] << 8 | s->p[1];
		s->p += 2;
	} else {
		v = *s->p++;
	}
	if (v > s->maxval)
		return img_fail(-EBADMSG, s->err, s->errlen,
				"a pixel of %u is above the largest value, %u", v, s->maxval);
	*value = s->maxval == 255 ? (uint8_t)v
				  : (uint8_t)((v * 255 + s->maxval / 2) / s->maxval);
	return 0;
}

int img_decode_pnm(const uint8_t *data, size_t len, struct img *out, char *err, size_t errlen)
{
	struct pnm s = { .p = data, .end = data + len, .err = err, .errlen = errlen };
	uint32_t w, h;
	size_t i, n;
	int ret;

	ret = pnm_read_header(&s, &w, &h);
	if (ret)
		return ret;
	ret = img_check(w, h, err, errlen);
	if (ret)
		return ret;
	n = (size_t)w * h;
	ret = pnm_check_size(&s, (uint64_t)n * s.channels);
	if (ret)
		return ret;
	ret = img_alloc(out, w, h, err, errlen);
	if (ret)
		return ret;
	for (i = 0; i < n * 3; i += 3) {
		ret = pnm_sample(&s, &out->rgb[i]);
		out->rgb[i + 1] = out->rgb[i];
		out->rgb[i + 2] = out->rgb[i];
		if (!ret && s.channels == 3) {
			ret = pnm_sample(&s, &out->rgb[i + 1]);
			if (!ret)
				ret = pnm_sample(&s, &out->rgb[i + 2]);
		}
		if (ret) {
			img_free(out);
			return ret;
		}
	}
	return 0;
}
