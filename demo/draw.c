// SPDX-License-Identifier: MIT
/*
 * demo-draw FOLDER: draws the sample pictures that `make run` classifies and writes them to FOLDER
 * as binary PPM, the same bytes each time. A scene is a few dozen shapes on the canvas of canvas.h.
 */
#include <stdio.h>
#include <string.h>

#include "canvas.h"

#define COUNT(array)	((int)(sizeof(array) / sizeof((array)[0])))
#define P(x, y)		((struct point){ x, y })
#define RGB(hex)	((struct color){ (hex) >> 16 & 255, (hex) >> 8 & 255, (hex) & 255 })
#define SHADED(a, b)	((struct paint){ RGB(a), RGB(b), 256 })
#define FLAT(a)		SHADED(a, a)
#define GLASS(a, alpha)	((struct paint){ RGB(a), RGB(a), alpha })

static void draw_wheel(struct canvas *canvas, int x, int y, int radius)
{
	canvas_ellipse(canvas, P(x, y), radius, radius, SHADED(0x1c1c1e, 0x2a2a2c));
	canvas_ellipse(canvas, P(x, y), radius * 5 / 8, radius * 5 / 8, SHADED(0xb8bcc2, 0x777b82));
	canvas_ellipse(canvas, P(x, y), radius / 2, radius / 2, SHADED(0x8a8e94, 0x4c4f54));
	canvas_ellipse(canvas, P(x, y), radius / 6, radius / 6, FLAT(0xc8ccd0));
}

static void draw_ship(struct canvas *canvas)
{
	static const struct point hull[] = {
		{ 22, 196 }, { 60, 204 }, { 300, 204 }, { 368, 184 }, { 346, 262 }, { 46, 262 },
	};
	static const struct point red[] = {
		{ 40, 246 }, { 351, 246 }, { 346, 264 }, { 46, 264 },
	};
	static const struct point bow[] = {
		{ 300, 196 }, { 370, 176 }, { 367, 190 }, { 300, 208 },
	};
	static const int boxes[] = { 0xa8483a, 0x3f6f96, 0xc9a24a, 0x7a8a6a, 0xb05a3c, 0x5a6a86 };
	int i, level;

	canvas_fill(canvas, 0, 214, RGB(0x8fb4d8), RGB(0xd9e4ea));
	canvas_cloud(canvas, P(90, 70), 120, 26, RGB(0xf4f6f8), 150);
	canvas_cloud(canvas, P(290, 40), 110, 22, RGB(0xf4f6f8), 130);
	canvas_fill(canvas, 214, CANVAS_SIZE, RGB(0x5f86a4), RGB(0x24485f));
	canvas_texture(canvas, 214, CANVAS_SIZE, 34, 7, 14, 11);
	canvas_texture(canvas, 250, CANVAS_SIZE, 60, 12, 14, 12);
	canvas_blur(canvas, 2);

	canvas_polygon(canvas, hull, COUNT(hull), SHADED(0x2c3a50, 0x1a2230));
	canvas_polygon(canvas, red, COUNT(red), SHADED(0x8c2f28, 0x6a211d));
	canvas_polygon(canvas, bow, COUNT(bow), SHADED(0x3a4a62, 0x2c3a50));
	canvas_box(canvas, 50, 128, 70, 76, SHADED(0xf4f4f0, 0xc9ccce));
	canvas_box(canvas, 44, 112, 84, 20, SHADED(0xfafaf6, 0xdcdedf));
	canvas_box(canvas, 50, 118, 72, 7, FLAT(0x35424e));
	for (i = 0; i < 3; i++)
		canvas_box(canvas, 56, 140 + 18 * i, 58, 5, FLAT(0x6a7884));
	canvas_box(canvas, 62, 78, 28, 36, SHADED(0xb83a2e, 0x8a2a22));
	canvas_box(canvas, 62, 78, 28, 8, FLAT(0x1e1e20));
	canvas_limb(canvas, P(110, 112), 2, P(110, 70), 1, FLAT(0x555b60));
	canvas_limb(canvas, P(330, 196), 2, P(330, 140), 1, FLAT(0x555b60));
	for (level = 0; level < 3; level++)
		for (i = 0; i < 5 - level; i++)
			canvas_box(canvas, 132 + 34 * i, 182 - 22 * level, 32, 21,
				   (struct paint){ RGB(boxes[(i + 2 * level) % 6]),
						   RGB(boxes[(i + 2 * level) % 6] & 0xdfdfdf), 256 });
	canvas_cloud(canvas, P(190, 266), 200, 9, RGB(0xe6eef2), 190);
	canvas_cloud(canvas, P(344, 262), 30, 10, RGB(0xf2f6f8), 220);
	canvas_blur(canvas, 1);
}

static void draw_airplane(struct canvas *canvas)
{
	static const struct point body[] = {
		{ 366, 196 }, { 350, 176 }, { 310, 166 }, { 200, 166 }, { 90, 164 }, { 20, 152 },
		{ 24, 164 }, { 100, 200 }, { 200, 214 }, { 310, 214 }, { 354, 208 },
	};
	static const struct point fin[] = {
		{ 22, 92 }, { 50, 92 }, { 104, 166 }, { 44, 166 },
	};
	static const struct point tail[] = {
		{ 6, 176 }, { 26, 176 }, { 88, 162 }, { 52, 156 },
	};
	static const struct point near_wing[] = {
		{ 232, 196 }, { 160, 196 }, { 84, 286 }, { 108, 288 },
	};
	static const struct point far_wing[] = {
		{ 226, 168 }, { 176, 168 }, { 132, 110 }, { 148, 108 },
	};

	canvas_fill(canvas, 0, CANVAS_SIZE, RGB(0x4f8fd0), RGB(0xb7d6ee));
	canvas_cloud(canvas, P(70, 330), 150, 46, RGB(0xf6f8fa), 200);
	canvas_cloud(canvas, P(250, 356), 160, 40, RGB(0xf6f8fa), 190);
	canvas_cloud(canvas, P(330, 60), 90, 24, RGB(0xf6f8fa), 110);
	canvas_texture(canvas, 0, CANVAS_SIZE, 90, 50, 6, 21);
	canvas_blur(canvas, 4);

	canvas_polygon(canvas, far_wing, COUNT(far_wing), SHADED(0x9aa2aa, 0xb4bac0));
	canvas_curve(canvas, body, COUNT(body), SHADED(0xfdfdfd, 0x9aa2ac));
	canvas_polygon(canvas, fin, COUNT(fin), SHADED(0x24508e, 0x3a6cae));
	canvas_polygon(canvas, tail, COUNT(tail), SHADED(0xa2aab2, 0x8a929a));
	canvas_limb(canvas, P(100, 178), 2, P(326, 184), 2, FLAT(0x4a545e));
	canvas_box(canvas, 334, 178, 16, 8, FLAT(0x28323c));
	canvas_ellipse(canvas, P(196, 236), 30, 13, SHADED(0xe8eaec, 0x70767c));
	canvas_ellipse(canvas, P(222, 236), 5, 11, FLAT(0x30363c));
	canvas_polygon(canvas, near_wing, COUNT(near_wing), SHADED(0xc9ced3, 0x8a9198));
	canvas_blur(canvas, 1);
}

static void draw_street(struct canvas *canvas, int horizon, uint32_t seed)
{
	canvas_fill(canvas, 0, horizon, RGB(0xc4d4e2), RGB(0xdfe6e8));
	canvas_cloud(canvas, P(60, horizon - 30), 110, 60, RGB(0x5e7a52), 256);
	canvas_cloud(canvas, P(200, horizon - 20), 120, 44, RGB(0x6d8a5c), 256);
	canvas_cloud(canvas, P(330, horizon - 34), 110, 66, RGB(0x567048), 256);
	canvas_texture(canvas, 0, horizon, 22, 18, 12, seed);
	canvas_fill(canvas, horizon, CANVAS_SIZE, RGB(0xa2a2a0), RGB(0x7c7c7c));
	canvas_blur(canvas, 5);
	canvas_texture(canvas, horizon, CANVAS_SIZE, 40, 8, 7, seed + 1);
}

static void draw_automobile(struct canvas *canvas)
{
	static const struct point body[] = {
		{ 18, 214 }, { 30, 190 }, { 96, 180 }, { 300, 180 }, { 362, 200 }, { 368, 226 },
		{ 366, 258 }, { 22, 258 },
	};
	static const struct point cabin[] = {
		{ 74, 184 }, { 122, 132 }, { 150, 126 }, { 230, 126 }, { 260, 136 }, { 304, 184 },
	};
	static const struct point front[] = {
		{ 198, 140 }, { 230, 140 }, { 250, 146 }, { 278, 180 }, { 198, 180 },
	};
	static const struct point rear[] = {
		{ 186, 140 }, { 150, 140 }, { 130, 146 }, { 102, 180 }, { 186, 180 },
	};

	draw_street(canvas, 200, 31);
	canvas_cloud(canvas, P(192, 284), 200, 20, RGB(0x202022), 230);
	canvas_curve(canvas, cabin, COUNT(cabin), SHADED(0xd8322c, 0xb0221e));
	canvas_curve(canvas, body, COUNT(body), SHADED(0xe23a32, 0x861814));
	canvas_polygon(canvas, front, COUNT(front), SHADED(0x2a3640, 0x56646e));
	canvas_polygon(canvas, rear, COUNT(rear), SHADED(0x2a3640, 0x56646e));
	canvas_limb(canvas, P(40, 204), 1, P(350, 206), 1, GLASS(0xffffff, 90));
	canvas_box(canvas, 190, 184, 2, 66, GLASS(0x400808, 160));
	canvas_box(canvas, 40, 246, 310, 10, FLAT(0x2a1412));
	canvas_ellipse(canvas, P(354, 212), 9, 8, FLAT(0xf6f2d8));
	canvas_ellipse(canvas, P(26, 208), 6, 9, FLAT(0x7a0c0c));
	canvas_ellipse(canvas, P(92, 252), 42, 40, FLAT(0x1a0e0e));
	canvas_ellipse(canvas, P(298, 252), 42, 40, FLAT(0x1a0e0e));
	draw_wheel(canvas, 92, 256, 35);
	draw_wheel(canvas, 298, 256, 35);
	canvas_blur(canvas, 1);
}

static void draw_truck(struct canvas *canvas)
{
	static const struct point cab[] = {
		{ 268, 130 }, { 322, 130 }, { 344, 178 }, { 362, 190 }, { 364, 262 }, { 268, 262 },
	};
	static const struct point window[] = {
		{ 284, 142 }, { 316, 142 }, { 334, 180 }, { 284, 180 },
	};

	draw_street(canvas, 214, 41);
	canvas_cloud(canvas, P(192, 302), 200, 18, RGB(0x202022), 230);
	canvas_box(canvas, 24, 254, 336, 18, FLAT(0x26282c));
	canvas_box(canvas, 18, 84, 242, 170, SHADED(0xf2f2ee, 0xc2c4c6));
	canvas_box(canvas, 18, 84, 242, 8, FLAT(0xd2d4d6));
	canvas_box(canvas, 18, 150, 242, 34, SHADED(0x2c64a8, 0x24528c));
	canvas_box(canvas, 252, 84, 8, 170, GLASS(0x606468, 150));
	canvas_polygon(canvas, cab, COUNT(cab), SHADED(0x3474be, 0x1e4474));
	canvas_polygon(canvas, window, COUNT(window), SHADED(0x243038, 0x60707c));
	canvas_box(canvas, 350, 216, 14, 14, FLAT(0xf6f2d8));
	canvas_box(canvas, 340, 248, 28, 14, FLAT(0xb0b4b8));
	canvas_box(canvas, 292, 204, 16, 4, FLAT(0xd0d4d8));
	draw_wheel(canvas, 82, 272, 32);
	draw_wheel(canvas, 148, 272, 32);
	draw_wheel(canvas, 316, 272, 32);
	canvas_blur(canvas, 1);
}

static void draw_meadow(struct canvas *canvas, int horizon, uint32_t seed)
{
	canvas_fill(canvas, 0, horizon, RGB(0x6a8058), RGB(0x8a9c68));
	canvas_texture(canvas, 0, horizon, 46, 40, 30, seed);
	canvas_fill(canvas, horizon, CANVAS_SIZE, RGB(0x8aa050), RGB(0x5e7a34));
	canvas_texture(canvas, horizon, CANVAS_SIZE, 30, 16, 16, seed + 1);
	canvas_blur(canvas, 6);
	canvas_texture(canvas, horizon, CANVAS_SIZE, 5, 12, 16, seed + 2);
}

static void draw_deer(struct canvas *canvas)
{
	static const struct point body[] = {
		{ 90, 176 }, { 120, 160 }, { 190, 166 }, { 244, 158 }, { 266, 176 }, { 262, 216 },
		{ 200, 232 }, { 130, 230 }, { 88, 222 },
	};
	static const struct point neck[] = {
		{ 226, 172 }, { 256, 138 }, { 274, 100 }, { 296, 98 }, { 298, 130 }, { 276, 198 },
		{ 246, 206 },
	};
	static const struct point head[] = {
		{ 272, 92 }, { 298, 84 }, { 322, 104 }, { 344, 122 }, { 340, 134 }, { 316, 132 },
		{ 286, 122 },
	};
	static const struct point hips[] = { { 108, 206 }, { 128, 212 }, { 232, 206 }, { 252, 204 } };
	static const struct point knees[] = { { 92, 266 }, { 132, 268 }, { 230, 268 }, { 260, 266 } };
	static const struct point hoofs[] = { { 98, 330 }, { 126, 336 }, { 230, 338 }, { 262, 330 } };
	int i, side;

	draw_meadow(canvas, 150, 61);
	for (i = 0; i < 4; i++) {
		struct paint coat = i % 3 ? SHADED(0x8a6038, 0x6a4628) : SHADED(0x6a4626, 0x50341c);

		canvas_limb(canvas, hips[i], 18, knees[i], 7, coat);
		canvas_limb(canvas, knees[i], 7, hoofs[i], 4, coat);
	}
	canvas_curve(canvas, body, COUNT(body), SHADED(0xb07c46, 0x8a5e36));
	canvas_cloud(canvas, P(180, 226), 60, 10, RGB(0xd8c4a0), 180);
	canvas_ellipse(canvas, P(86, 186), 9, 16, FLAT(0xe8e0d0));
	canvas_curve(canvas, neck, COUNT(neck), SHADED(0xb07c46, 0x9a6c3e));
	canvas_curve(canvas, head, COUNT(head), SHADED(0xa87442, 0x8a5e36));
	canvas_limb(canvas, P(276, 98), 7, P(252, 84), 3, FLAT(0x9a6c3e));
	for (side = 0; side < 2; side++) {
		int x = 282 + 12 * side;

		canvas_limb(canvas, P(x, 90), 4, P(x - 26 + 34 * side, 50), 3, FLAT(0xc8b48c));
		canvas_limb(canvas, P(x - 26 + 34 * side, 50), 3, P(x - 12 + 26 * side, 12), 2,
			    FLAT(0xc8b48c));
		canvas_limb(canvas, P(x - 20 + 26 * side, 58), 3, P(x - 2 + 30 * side, 38), 2,
			    FLAT(0xc8b48c));
	}
	canvas_ellipse(canvas, P(304, 106), 4, 4, FLAT(0x140c08));
	canvas_ellipse(canvas, P(340, 124), 5, 5, FLAT(0x1a1210));
	canvas_blur(canvas, 1);
}

static void draw_frog(struct canvas *canvas)
{
	static const struct point body[] = {
		{ 60, 250 }, { 80, 180 }, { 150, 130 }, { 230, 120 }, { 300, 140 }, { 340, 180 },
		{ 330, 214 }, { 280, 240 }, { 220, 280 }, { 120, 284 },
	};
	static const struct point belly[] = {
		{ 200, 276 }, { 250, 244 }, { 326, 208 }, { 318, 232 }, { 280, 270 }, { 230, 286 },
	};
	static const struct point thigh[] = {
		{ 52, 260 }, { 70, 206 }, { 124, 196 }, { 164, 230 }, { 150, 280 }, { 80, 292 },
	};

	canvas_fill(canvas, 0, CANVAS_SIZE, RGB(0x6c5a40), RGB(0x8a7450));
	canvas_texture(canvas, 0, CANVAS_SIZE, 60, 50, 34, 71);
	canvas_texture(canvas, 0, CANVAS_SIZE, 20, 14, 26, 72);
	canvas_blur(canvas, 4);
	canvas_cloud(canvas, P(190, 296), 180, 26, RGB(0x2a2014), 230);
	canvas_limb(canvas, P(270, 240), 18, P(290, 290), 9, SHADED(0x7a9a3a, 0x4c6a22));
	canvas_limb(canvas, P(290, 290), 8, P(330, 300), 6, FLAT(0x58762a));
	canvas_curve(canvas, body, COUNT(body), SHADED(0xa2c24c, 0x5c7e2a));
	canvas_curve(canvas, belly, COUNT(belly), SHADED(0xd8d89a, 0xb8b878));
	canvas_curve(canvas, thigh, COUNT(thigh), SHADED(0x94b444, 0x4e6c24));
	canvas_limb(canvas, P(90, 284), 10, P(180, 298), 8, FLAT(0x5c7c2a));
	canvas_limb(canvas, P(226, 256), 16, P(232, 296), 9, SHADED(0x86a63e, 0x58782a));
	canvas_limb(canvas, P(232, 298), 8, P(268, 304), 5, FLAT(0x5c7c2a));
	canvas_limb(canvas, P(256, 222), 2, P(334, 198), 2, FLAT(0x4a5c22));
	canvas_ellipse(canvas, P(276, 134), 26, 24, SHADED(0xa2c24c, 0x749432));
	canvas_ellipse(canvas, P(282, 134), 16, 16, FLAT(0xd8b040));
	canvas_ellipse(canvas, P(284, 134), 10, 11, FLAT(0x101008));
	canvas_ellipse(canvas, P(160, 170), 14, 8, GLASS(0x48641e, 160));
	canvas_ellipse(canvas, P(204, 150), 12, 7, GLASS(0x48641e, 160));
	canvas_ellipse(canvas, P(190, 206), 12, 8, GLASS(0x48641e, 160));
	canvas_blur(canvas, 1);
}

static void draw_bird(struct canvas *canvas)
{
	static const struct point body[] = {
		{ 100, 250 }, { 120, 200 }, { 176, 150 }, { 226, 110 }, { 270, 90 }, { 304, 106 },
		{ 310, 140 }, { 290, 190 }, { 250, 240 }, { 190, 268 }, { 130, 272 },
	};
	static const struct point wing[] = {
		{ 60, 292 }, { 110, 220 }, { 170, 166 }, { 224, 160 }, { 236, 190 }, { 190, 236 },
		{ 120, 270 },
	};
	static const struct point tail[] = {
		{ 20, 330 }, { 40, 340 }, { 140, 270 }, { 110, 240 },
	};
	static const struct point beak[] = {
		{ 302, 110 }, { 348, 126 }, { 304, 134 },
	};

	canvas_fill(canvas, 0, CANVAS_SIZE, RGB(0xb4c49a), RGB(0x8aa468));
	canvas_texture(canvas, 0, CANVAS_SIZE, 90, 80, 26, 81);
	canvas_blur(canvas, 10);
	canvas_limb(canvas, P(-10, 330), 12, P(400, 290), 9, SHADED(0x7a6248, 0x3e3020));
	canvas_limb(canvas, P(206, 262), 4, P(214, 310), 4, FLAT(0x5a4030));
	canvas_limb(canvas, P(236, 250), 4, P(244, 306), 4, FLAT(0x5a4030));
	canvas_polygon(canvas, tail, COUNT(tail), SHADED(0x5a4a3a, 0x3c3024));
	canvas_curve(canvas, body, COUNT(body), SHADED(0xa8743e, 0xe0c8a0));
	canvas_curve(canvas, wing, COUNT(wing), SHADED(0x6a5038, 0x46362a));
	canvas_limb(canvas, P(96, 256), 2, P(200, 190), 2, FLAT(0xb8a07c));
	canvas_limb(canvas, P(110, 266), 2, P(214, 204), 2, FLAT(0xb8a07c));
	canvas_polygon(canvas, beak, COUNT(beak), SHADED(0x4a4038, 0x2a241e));
	canvas_ellipse(canvas, P(280, 114), 7, 7, FLAT(0x100c08));
	canvas_ellipse(canvas, P(282, 112), 2, 2, FLAT(0xf0f0f0));
	canvas_blur(canvas, 1);
}

static const struct {
	const char *name;
	void (*draw)(struct canvas *canvas);
} scenes[] = {
	{ "ship", draw_ship },
	{ "airplane", draw_airplane },
	{ "automobile", draw_automobile },
	{ "truck", draw_truck },
	{ "deer", draw_deer },
	{ "frog", draw_frog },
	{ "bird", draw_bird },
};

int main(int argc, char **argv)
{
	static struct canvas canvas;
	char path[4096];
	int i, err;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: demo-draw FOLDER\n"
			"Draws the sample pictures and writes them to FOLDER as PPM files.\n");
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	for (i = 0; i < COUNT(scenes); i++) {
		if (snprintf(path, sizeof(path), "%s/%s.ppm", argv[1], scenes[i].name) >=
		    (int)sizeof(path)) {
			fprintf(stderr, "demo-draw: the name of the folder is too long\n");
			return 1;
		}
		scenes[i].draw(&canvas);
		err = canvas_write(&canvas, path, 5);
		if (err) {
			fprintf(stderr, "demo-draw: cannot write %s: %s\n", path, strerror(-err));
			return 1;
		}
	}
	return 0;
}
