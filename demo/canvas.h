/* SPDX-License-Identifier: MIT */
/*
 * A small canvas for the demonstration pictures. All of its arithmetic is on integers, so that it
 * draws the same bytes with every compiler and on every machine.
 *
 * A picture has CANVAS_PIXELS x CANVAS_PIXELS pixels. Shapes are drawn on a grid that is
 * CANVAS_SUPER times finer, with the origin at the top left; a pixel is the mean of its
 * CANVAS_SUPER x CANVAS_SUPER grid points.
 */
#ifndef DEMO_CANVAS_H
#define DEMO_CANVAS_H

#include <stdint.h>

#define CANVAS_PIXELS	96
#define CANVAS_SUPER	4
#define CANVAS_SIZE	(CANVAS_PIXELS * CANVAS_SUPER)
#define CANVAS_POINTS	32	/* most corners of one curve */

struct color {
	uint8_t r, g, b;
};

struct point {
	int x, y;
};

/* Colors run from @top at a shape's highest point to @bottom at its lowest; @opacity of 256. */
struct paint {
	struct color top, bottom;
	int opacity;
};

struct canvas {
	struct color at[CANVAS_SIZE][CANVAS_SIZE];
};

/* Fill the rows from @y0 up to, not including, @y1 with a vertical gradient. */
void canvas_fill(struct canvas *canvas, int y0, int y1, struct color top, struct color bottom);

/* Fill a polygon of @count corners, even-odd. */
void canvas_polygon(struct canvas *canvas, const struct point *points, int count,
		    struct paint paint);

/* Like canvas_polygon, with at most CANVAS_POINTS corners, rounded off to a smooth closed curve. */
void canvas_curve(struct canvas *canvas, const struct point *points, int count,
		  struct paint paint);

/* Fill the rectangle of @width x @height grid points whose top left is (@x, @y). */
void canvas_box(struct canvas *canvas, int x, int y, int width, int height, struct paint paint);

/* Fill an ellipse. */
void canvas_ellipse(struct canvas *canvas, struct point center, int rx, int ry,
		    struct paint paint);

/* An ellipse of one color whose opacity falls from @opacity (out of 256) in the middle to 0. */
void canvas_cloud(struct canvas *canvas, struct point center, int rx, int ry,
		  struct color color, int opacity);

/* A thick line with round ends, @ra wide to each side of @a and @rb to each side of @b. */
void canvas_limb(struct canvas *canvas, struct point a, int ra, struct point b, int rb,
		 struct paint paint);

/*
 * Make the rows from @y0 up to, not including, @y1 lighter and darker by up to @amplitude: smooth
 * noise with one random value for each cell of @cell_x x @cell_y grid points.
 */
void canvas_texture(struct canvas *canvas, int y0, int y1, int cell_x, int cell_y,
		    int amplitude, uint32_t seed);

/* Blur everything drawn so far with a box of 2 x @radius + 1 grid points. */
void canvas_blur(struct canvas *canvas, int radius);

/*
 * Write the picture as a binary PPM, with film grain of up to @grain levels in each pixel. The file
 * is written beside @path and renamed. Returns 0 or a negative errno.
 */
int canvas_write(const struct canvas *canvas, const char *path, int grain);

#endif
