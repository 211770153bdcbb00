/* Pictures of a command line: JPEG and PNG files, or files with patches already cut. */
#pragma once

#include "cli/options.h"
#include "raga/picture.h"

typedef struct cli_pictures {
    cli_list pixels;    // files of f32, and
    cli_list grids;     // "frames,rows,columns" of each
    cli_list images;    // JPEG or PNG
    int64_t max_tokens; // of one of them; 0: as the model's settings say
    raga_picture *items[CLI_LIST_MAX];
    size_t n;
} cli_pictures;

/** Let the model look at all of them; false: the sentence is on stderr. Close in any case. */
bool cli_pictures_open(cli_pictures *p, raga_model *model);
/** One more, from a JPEG or PNG. */
bool cli_pictures_add(cli_pictures *p, raga_model *model, const char *path);
/** Forget the first n; the last n. */
void cli_pictures_drop(cli_pictures *p, size_t n);
void cli_pictures_pop(cli_pictures *p, size_t n);
void cli_pictures_close(cli_pictures *p);
