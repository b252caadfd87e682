// SPDX-License-Identifier: MIT
/* The canvas of the demonstration pictures: shapes, gradients, noise and the PPM writer. */
#include "canvas.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROUNDINGS 4	/* each one doubles the corners of a curve */

static uint8_t level(int value)
{
	return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* A point @part / @whole of the way from @a to @b. */
static struct color mix(struct color a, struct color b, int part, int whole)
{
	struct color out = {
		.r = a.r + (b.r - a.r) * part / whole,
		.g = a.g + (b.g - a.g) * part / whole,
		.b = a.b + (b.b - a.b) * part / whole,
	};

	return out;
}

static void shade(struct color *at, int by)
{
	at->r = level(at->r + by);
	at->g = level(at->g + by);
	at->b = level(at->b + by);
}

/* A well-mixed hash of three numbers: noise without a state. */
static uint32_t hash(uint32_t x, uint32_t y, uint32_t seed)
{
	uint32_t h = x * 0x9e3779b1u ^ y * 0x85ebca77u ^ seed * 0xc2b2ae3du;

	h = (h ^ h >> 15) * 0x2c1b3c6du;
	h = (h ^ h >> 12) * 0x297a2d39u;
	return h ^ h >> 15;
}

/* A random value from -256 to 255. */
static int noise(uint32_t x, uint32_t y, uint32_t seed)
{
	return (int)(hash(x, y, seed) >> 23) - 256;
}

static void put(struct canvas *canvas, int x, int y, struct color color, int opacity)
{
	struct color *at;

	if (x < 0 || x >= CANVAS_SIZE || y < 0 || y >= CANVAS_SIZE)
		return;
	at = &canvas->at[y][x];
	*at = mix(*at, color, opacity, 256);
}

static struct color paint_at(struct paint paint, int y, int y0, int y1)
{
	return y1 > y0 ? mix(paint.top, paint.bottom, y - y0, y1 - y0) : paint.top;
}

void canvas_fill(struct canvas *canvas, int y0, int y1, struct color top, struct color bottom)
{
	canvas_box(canvas, 0, y0, CANVAS_SIZE, y1 - y0, (struct paint){ top, bottom, 256 });
}

static void fill(struct canvas *canvas, const struct point *p, int count, struct paint paint)
{
	int y0 = p[0].y, y1 = p[0].y, x, y, i, j;

	for (i = 1; i < count; i++) {
		y0 = p[i].y < y0 ? p[i].y : y0;
		y1 = p[i].y > y1 ? p[i].y : y1;
	}
	for (y = y0; y < y1; y++) {
		struct color color = paint_at(paint, y, y0, y1);

		for (x = 0; x < CANVAS_SIZE; x++) {
			int inside = 0;

			for (i = 0, j = count - 1; i < count; j = i++) {
				int dy = p[j].y - p[i].y;
				int side = (x - p[i].x) * dy - (p[j].x - p[i].x) * (y - p[i].y);

				if ((p[i].y > y) != (p[j].y > y))
					inside ^= dy > 0 ? side < 0 : side > 0;
			}
			if (inside)
				put(canvas, x, y, color, paint.opacity);
		}
	}
}

void canvas_polygon(struct canvas *canvas, const struct point *points, int count,
		    struct paint paint)
{
	fill(canvas, points, count, paint);
}

/* Chaikin's corner cutting: each edge keeps its middle half; in the limit a quadratic B-spline. */
void canvas_curve(struct canvas *canvas, const struct point *points, int count,
		  struct paint paint)
{
	struct point now[CANVAS_POINTS << ROUNDINGS], next[CANVAS_POINTS << ROUNDINGS];
	int i, round;

	assert(count <= CANVAS_POINTS);
	memcpy(now, points, count * sizeof(now[0]));
	for (round = 0; round < ROUNDINGS; round++) {
		for (i = 0; i < count; i++) {
			struct point a = now[i], b = now[(i + 1) % count];

			next[2 * i].x = (3 * a.x + b.x) / 4;
			next[2 * i].y = (3 * a.y + b.y) / 4;
			next[2 * i + 1].x = (a.x + 3 * b.x) / 4;
			next[2 * i + 1].y = (a.y + 3 * b.y) / 4;
		}
		count *= 2;
		memcpy(now, next, count * sizeof(now[0]));
	}
	fill(canvas, now, count, paint);
}

void canvas_box(struct canvas *canvas, int x, int y, int width, int height, struct paint paint)
{
	int i, j;

	for (j = 0; j < height; j++)
		for (i = 0; i < width; i++)
			put(canvas, x + i, y + j, paint_at(paint, j, 0, height), paint.opacity);
}

void canvas_ellipse(struct canvas *canvas, struct point center, int rx, int ry,
		    struct paint paint)
{
	int64_t rx2 = rx * rx, ry2 = ry * ry;
	int x, y;

	for (y = -ry; y <= ry; y++)
		for (x = -rx; x <= rx; x++)
			if (x * x * ry2 + y * y * rx2 <= rx2 * ry2)
				put(canvas, center.x + x, center.y + y, paint_at(paint, y, -ry, ry),
				    paint.opacity);
}

void canvas_cloud(struct canvas *canvas, struct point center, int rx, int ry,
		  struct color color, int opacity)
{
	int x, y, left;

	for (y = -ry; y <= ry; y++) {
		for (x = -rx; x <= rx; x++) {
			left = 256 - x * x * 256 / (rx * rx) - y * y * 256 / (ry * ry);
			if (left > 0)
				put(canvas, center.x + x, center.y + y, color, opacity * left / 256);
		}
	}
}

void canvas_limb(struct canvas *canvas, struct point a, int ra, struct point b, int rb,
		 struct paint paint)
{
	int dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
	int reach = ra > rb ? ra : rb;
	int y0 = (a.y < b.y ? a.y : b.y) - reach, y1 = (a.y > b.y ? a.y : b.y) + reach;
	int x, y;

	for (y = y0; y <= y1; y++) {
		for (x = 0; x < CANVAS_SIZE; x++) {
			int along = (x - a.x) * dx + (y - a.y) * dy, ex, ey, radius;

			along = along < 0 ? 0 : along > length ? length : along;
			along = length ? (int)((int64_t)along * 1024 / length) : 0;
			ex = (x - a.x) * 1024 - along * dx;
			ey = (y - a.y) * 1024 - along * dy;
			radius = ra * 1024 + along * (rb - ra);
			if ((int64_t)ex * ex + (int64_t)ey * ey <= (int64_t)radius * radius)
				put(canvas, x, y, paint_at(paint, y, y0, y1), paint.opacity);
		}
	}
}

void canvas_texture(struct canvas *canvas, int y0, int y1, int cell_x, int cell_y,
		    int amplitude, uint32_t seed)
{
	int x, y;

	for (y = y0; y < y1; y++) {
		for (x = 0; x < CANVAS_SIZE; x++) {
			int cx = x / cell_x, cy = y / cell_y, fx = x % cell_x, fy = y % cell_y;
			int above = noise(cx, cy, seed) * (cell_x - fx) +
				    noise(cx + 1, cy, seed) * fx;
			int below = noise(cx, cy + 1, seed) * (cell_x - fx) +
				    noise(cx + 1, cy + 1, seed) * fx;

			shade(&canvas->at[y][x], (above * (cell_y - fy) + below * fy) / cell_x /
			      cell_y * amplitude / 256);
		}
	}
}

/* Along rows with @step_x 1, along columns with @step_y 1. */
static void blur_along(struct canvas *canvas, int radius, int step_x, int step_y)
{
	struct color line[CANVAS_SIZE];
	int i, j, k;

	for (j = 0; j < CANVAS_SIZE; j++) {
		for (i = 0; i < CANVAS_SIZE; i++) {
			int r = 0, g = 0, b = 0, count = 0;

			for (k = i - radius; k <= i + radius; k++) {
				const struct color *at;

				if (k < 0 || k >= CANVAS_SIZE)
					continue;
				at = &canvas->at[k * step_y + j * step_x][k * step_x + j * step_y];
				r += at->r;
				g += at->g;
				b += at->b;
				count++;
			}
			line[i] = (struct color){ r / count, g / count, b / count };
		}
		for (i = 0; i < CANVAS_SIZE; i++)
			canvas->at[i * step_y + j * step_x][i * step_x + j * step_y] = line[i];
	}
}

void canvas_blur(struct canvas *canvas, int radius)
{
	blur_along(canvas, radius, 1, 0);
	blur_along(canvas, radius, 0, 1);
}

static struct color pixel(const struct canvas *canvas, int x, int y, int grain)
{
	int r = 0, g = 0, b = 0, i, j, area = CANVAS_SUPER * CANVAS_SUPER;
	struct color out;

	for (j = 0; j < CANVAS_SUPER; j++) {
		for (i = 0; i < CANVAS_SUPER; i++) {
			const struct color *at =
				&canvas->at[y * CANVAS_SUPER + j][x * CANVAS_SUPER + i];

			r += at->r;
			g += at->g;
			b += at->b;
		}
	}
	out = (struct color){ r / area, g / area, b / area };
	shade(&out, noise(x, y, 1) * grain / 256);
	return out;
}

int canvas_write(const struct canvas *canvas, const char *path, int grain)
{
	char temporary[4096];
	FILE *file;
	int x, y, err;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	file = fopen(temporary, "wb");
	if (!file)
		return -errno;
	fprintf(file, "P6\n%d %d\n255\n", CANVAS_PIXELS, CANVAS_PIXELS);
	for (y = 0; y < CANVAS_PIXELS; y++) {
		for (x = 0; x < CANVAS_PIXELS; x++) {
			struct color at = pixel(canvas, x, y, grain);

			putc(at.r, file);
			putc(at.g, file);
			putc(at.b, file);
		}
	}
	err = ferror(file) ? -EIO : 0;
	if (fclose(file) && !err)
		err = -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		remove(temporary);
	return err;
}
