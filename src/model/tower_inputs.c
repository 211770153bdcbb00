/* What the graph of a tower reads beside the pixels: where each patch is, and whom it sees. */
#include "model/tower.h"

#include <math.h>
#include <string.h>

/** The arrays of one picture while they are filled. */
typedef struct filling {
    const rg_sight_params *s;
    uint32_t rows; // of patches, of a frame
    uint32_t columns;
    size_t n_frame; // patches of a frame
    int32_t *axes;
    int32_t *frames;
    int32_t *windows;
    int32_t *order;
    int32_t *back;
    int32_t *corners[4];
    float *shares[4];
} filling;

// row and column of a patch of a frame, cell by cell
static void place_of(const filling *f, size_t patch, uint32_t *row, uint32_t *column) {
    const uint32_t m = f->s->merge;
    const size_t cell = patch / ((size_t)m * m), inside = patch % ((size_t)m * m);
    const size_t n_across = f->columns / m;
    *row = (uint32_t)(cell / n_across * m + inside / m);
    *column = (uint32_t)(cell % n_across * m + inside % m);
}

// a point of n that divide [0, side - 1] evenly, in the steps of the reference: from both ends
static float divide(uint32_t i, uint32_t n, uint32_t side) {
    const float end = (float)(side - 1);
    if (n == 1) {
        return 0;
    }
    const float step = end / (float)(n - 1);
    return i < n / 2 ? step * (float)i : end - step * (float)(n - 1 - i);
}

static void fill_corners(const filling *f, size_t at, uint32_t row, uint32_t column) {
    const uint32_t side = (uint32_t)sqrt(f->s->n_places);
    const float y = divide(row, f->rows, side), x = divide(column, f->columns, side);
    const int32_t top = (int32_t)y, left = (int32_t)x;
    const float dy = y - (float)top, dx = x - (float)left;
    const int32_t last = (int32_t)side - 1;
    const int32_t bottom = top < last ? top + 1 : last, right = left < last ? left + 1 : last;
    const int32_t ys[] = {top, top, bottom, bottom}, xs[] = {left, right, left, right};
    for (int i = 0; i < 4; i++) {
        f->corners[i][at] = ys[i] * (int32_t)side + xs[i];
        f->shares[i][at] = (i < 2 ? 1 - dy : dy) * (i % 2 == 0 ? 1 - dx : dx);
    }
}

// cells by window: windows go row by row, and so do the cells within one; those at the edges are
// smaller
static void fill_order(const filling *f, size_t first_patch) {
    const uint32_t m = f->s->merge;
    const uint32_t rows = f->rows / m, columns = f->columns / m;
    const uint32_t side = f->s->window / m / f->s->patch;
    const size_t n_inside = (size_t)m * m;
    size_t at = first_patch;
    for (uint32_t top = 0; top < rows; top += side) {
        for (uint32_t left = 0; left < columns; left += side) {
            const size_t begin = at;
            for (uint32_t y = top; y < rows && y < top + side; y++) {
                for (uint32_t x = left; x < columns && x < left + side; x++) {
                    const size_t cell = first_patch / n_inside + (size_t)y * columns + x;
                    f->back[cell] = (int32_t)(at / n_inside);
                    for (size_t i = 0; i < n_inside; i++, at++) {
                        f->order[at] = (int32_t)(cell * n_inside + i);
                        f->windows[at] = (int32_t)(at - begin);
                    }
                }
            }
        }
    }
}

static void fill_frame(const filling *f, size_t first) {
    if (f->s->window != 0) {
        fill_order(f, first);
    }
    for (size_t i = 0; i < f->n_frame; i++) {
        const size_t at = first + i;
        const size_t patch = f->s->window != 0 ? (size_t)f->order[at] - first : i;
        uint32_t row, column;
        place_of(f, patch, &row, &column);
        f->axes[2 * at] = (int32_t)row;
        f->axes[2 * at + 1] = (int32_t)column;
        f->frames[at] = (int32_t)i;
        if (f->s->n_places != 0) {
            // places are added before the patches are put in order
            place_of(f, i, &row, &column);
            fill_corners(f, at, row, column);
        }
    }
}

static rg_status check_grid(const rg_sight_params *s, const uint32_t grid[3], size_t *n,
                            rg_error *err) {
    if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0 || grid[1] % s->merge != 0 ||
        grid[2] % s->merge != 0) {
        return rg_fail(err, RG_E_ARG,
                       "a picture of %u frames of %u x %u patches is not possible: rows and "
                       "columns must be multiples of %u",
                       grid[0], grid[1], grid[2], s->merge);
    }
    if (!rg_mul_size(grid[1], grid[2], n) || !rg_mul_size(*n, grid[0], n) || *n > RG_PATCHES_MAX) {
        return rg_fail(err, RG_E_LIMIT,
                       "a picture of %u x %u x %u patches, at most %zu are possible", grid[0],
                       grid[1], grid[2], RG_PATCHES_MAX);
    }
    return RG_OK;
}

rg_status rg_tower_inputs_make(const rg_mem *mem, const rg_model *tower, const uint32_t grid[3],
                               const float *patches, rg_tower_inputs *out, rg_error *err) {
    enum { ARRAYS = 14 }; // of one word a patch: two of axes, four each of corners and shares, ...
    const rg_sight_params *s = &tower->h.sight;
    size_t n = 0;
    *out = (rg_tower_inputs){.mem = mem};
    const rg_status status = check_grid(s, grid, &n, err);
    if (status != RG_OK) {
        return status;
    }
    int32_t *room = rg_new_array(mem, n, ARRAYS * sizeof *room);
    if (room == NULL) {
        return rg_fail(err, RG_E_MEMORY, "no memory for a picture of %zu patches", n);
    }
    filling f = {.s = s, .rows = grid[1], .columns = grid[2], .n_frame = n / grid[0]};
    f.axes = room;
    f.frames = room + 2 * n;
    f.windows = room + 3 * n;
    f.order = room + 4 * n;
    f.back = room + 5 * n;
    for (size_t i = 0; i < 4; i++) {
        f.corners[i] = room + (6 + i) * n;
        f.shares[i] = (float *)(void *)(room + (10 + i) * n);
        out->slots[RG_TOWER_CORNERS + i] = f.corners[i];
        out->slots[RG_TOWER_SHARES + i] = f.shares[i];
    }
    for (size_t first = 0; first < n; first += f.n_frame) {
        fill_frame(&f, first);
    }
    out->owned = room;
    out->n_patches = n;
    out->n_cells = n / ((size_t)s->merge * s->merge);
    out->slots[RG_TOWER_PATCHES] = patches;
    out->slots[RG_TOWER_AXES] = f.axes;
    out->slots[RG_TOWER_FRAMES] = f.frames;
    out->slots[RG_TOWER_WINDOWS] = f.windows;
    out->slots[RG_TOWER_ORDER] = f.order;
    out->slots[RG_TOWER_BACK] = f.back;
    return RG_OK;
}

void rg_tower_inputs_clear(rg_tower_inputs *inputs) {
    rg_free(inputs->mem, inputs->owned);
    *inputs = (rg_tower_inputs){0};
}
