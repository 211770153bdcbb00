#include "cli/pictures.h"

#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_grid(const char *text, uint32_t grid[3]) {
    for (size_t i = 0; i < 3; i++) {
        char *end = NULL;
        errno = 0;
        const unsigned long n = *text < '0' || *text > '9' ? 0 : strtoul(text, &end, 10);
        if (n == 0 || n > UINT32_MAX || errno != 0 || *end != (i < 2 ? ',' : '\0')) {
            return false;
        }
        grid[i] = (uint32_t)n;
        text = end + 1;
    }
    return true;
}

static bool open_patches(cli_pictures *p, raga_model *model, size_t i) {
    raga_error err = {0};
    uint32_t grid[3];
    size_t size = 0;
    if (!read_grid(p->grids.items[i], grid)) {
        cli_error("--grid %s: give frames, rows and columns of patches, as 1,16,24",
                  p->grids.items[i]);
        return false;
    }
    char *data = cli_read_all(p->pixels.items[i], &size);
    if (data == NULL) {
        return false;
    }
    bool is_open = false;
    if (size % sizeof(float) != 0) {
        cli_error("%s has %zu bytes, which are no f32 values", p->pixels.items[i], size);
    } else {
        is_open =
            raga_picture_of_patches(model, (const float *)(const void *)data, size / sizeof(float),
                                    grid, &p->items[p->n], &err) == RAGA_OK;
        p->n += is_open;
        if (!is_open) {
            cli_error("%s: %s", p->pixels.items[i], err.text);
        }
    }
    free(data);
    return is_open;
}

bool cli_pictures_add(cli_pictures *p, raga_model *model, const char *path) {
    raga_error err = {0};
    size_t size = 0;
    const bool is_shown = isatty(STDERR_FILENO);
    if (p->n == CLI_LIST_MAX) {
        cli_error("%s: there are %d pictures already", path, CLI_LIST_MAX);
        return false;
    }
    char *file = cli_read_most(path, RAGA_PICTURE_FILE_MAX, &size);
    if (file == NULL) {
        return false;
    }
    if (is_shown) {
        fprintf(stderr, "looking at %s ...", path);
    }
    const raga_status status =
        raga_picture_read(model, file, size, (size_t)p->max_tokens, &p->items[p->n], &err);
    free(file);
    if (is_shown) {
        fputs("\r\033[K", stderr);
    }
    if (status != RAGA_OK) {
        cli_error("%s: %s", path, err.text);
        return false;
    }
    p->n++;
    return true;
}

bool cli_pictures_open(cli_pictures *p, raga_model *model) {
    if (p->pixels.n != p->grids.n) {
        cli_error("%zu times --pixels and %zu times --grid: each picture needs both", p->pixels.n,
                  p->grids.n);
        return false;
    }
    for (size_t i = 0; i < p->pixels.n; i++) {
        if (!open_patches(p, model, i)) {
            return false;
        }
    }
    for (size_t i = 0; i < p->images.n; i++) {
        if (!cli_pictures_add(p, model, p->images.items[i])) {
            return false;
        }
    }
    return true;
}

void cli_pictures_drop(cli_pictures *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        raga_picture_free(p->items[i]);
    }
    p->n -= n;
    memmove(p->items, p->items + n, p->n * sizeof *p->items);
}

void cli_pictures_pop(cli_pictures *p, size_t n) {
    while (n-- > 0) {
        raga_picture_free(p->items[--p->n]);
    }
}

void cli_pictures_close(cli_pictures *p) {
    cli_pictures_drop(p, p->n);
}
