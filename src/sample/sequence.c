#include "sample/sequence.h"

#include <stdlib.h>

bool rg_points_put(rg_points *set, uint32_t from, uint32_t to) {
    if (set->n == RG_POINTS_RANGES_MAX) {
        return false;
    }
    set->ranges[set->n].from = from;
    set->ranges[set->n++].to = to;
    return true;
}

static int compare_ranges(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void rg_points_invert(rg_points *set) {
    rg_points out = {.n = 0};
    uint32_t next = 0;
    qsort(set->ranges, set->n, sizeof set->ranges[0], compare_ranges);
    for (size_t i = 0; i < set->n; i++) {
        if (set->ranges[i].from > next) {
            (void)rg_points_put(&out, next, set->ranges[i].from - 1);
        }
        next = set->ranges[i].to + 1 > next ? set->ranges[i].to + 1 : next;
    }
    if (next <= RG_POINT_LAST) {
        (void)rg_points_put(&out, next, RG_POINT_LAST);
    }
    *set = out;
}

rg_way rg_points_utf8(rg_grammar *g, uint32_t from, uint32_t to, rg_way next) {
    static const uint32_t ends[] = {0x7F, 0x7FF, 0xD7FF, 0xFFFF, 0x10FFFF};
    static const uint32_t begins[] = {0, 0x80, 0x800, 0xE000, 0x10000};
    rg_way node = RG_WAY_NONE;
    for (int i = 0; i < 5; i++) {
        uint32_t a = from > begins[i] ? from : begins[i];
        const uint32_t b = to < ends[i] ? to : ends[i];
        const unsigned n = i == 0 ? 0 : i == 1 ? 1 : i < 4 ? 2 : 3; // bytes after the first
        static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
        // pieces in which the bytes vary each for itself: the longest that begins at a
        while (a <= b) {
            unsigned k = 0; // trailing bytes that take every value
            while (k < n && (a & ((1u << 6 * (k + 1)) - 1)) == 0 &&
                   (a | ((1u << 6 * (k + 1)) - 1)) <= b) {
                k++;
            }
            // the byte before them runs as far as it can
            const uint32_t unit = 1u << 6 * k;
            uint32_t last = k == n ? b - (b + 1) % unit : a | 63u << 6 * k | (unit - 1);
            while (last > b) {
                last -= unit;
            }
            rg_way piece = next;
            for (unsigned t = 0; t < n; t++) {
                const unsigned lo = a >> 6 * t & 63;
                const unsigned hi = last >> 6 * t & 63;
                piece = rg_grammar_range(g, 0x80 | lo, 0x80 | hi, piece);
            }
            piece = rg_grammar_range(g, lead[n] | a >> 6 * n, lead[n] | last >> 6 * n, piece);
            node = rg_grammar_either(g, piece, node);
            a = last + 1;
        }
    }
    return node;
}

uint32_t rg_points_rule(rg_grammar *g, const rg_points *set) {
    const uint32_t rule = rg_grammar_rule(g);
    const rg_way end = rg_grammar_end(g);
    rg_way node = RG_WAY_NONE;
    for (size_t i = 0; i < set->n; i++) {
        node = rg_grammar_either(g, rg_points_utf8(g, set->ranges[i].from, set->ranges[i].to, end),
                                 node);
    }
    rg_grammar_set(g, rule, node);
    return rule;
}

// ---- ways ----

void rg_sequence_open(rg_grammar *g, rg_sequence *s, uint32_t rule) {
    *s = (rg_sequence){.rule = rule, .ways = RG_WAY_NONE};
    rg_sequence_next(g, s);
}

void rg_sequence_next(rg_grammar *g, rg_sequence *s) {
    s->begin = s->tail = rg_grammar_hole(g);
}

void rg_sequence_append(rg_grammar *g, rg_sequence *s, uint32_t rule, size_t min, size_t max) {
    for (size_t i = 0; i < min && !rg_grammar_is_failed(g); i++) {
        const rg_way next = rg_grammar_hole(g);
        rg_grammar_fill(g, s->tail, rg_grammar_call(g, rule, next), RG_WAY_NONE);
        s->tail = next;
    }
    const rg_way exit = rg_grammar_hole(g);
    if (max == SIZE_MAX) {
        rg_grammar_fill(g, s->tail, rg_grammar_call(g, rule, s->tail), exit);
        s->tail = exit;
        return;
    }
    for (size_t i = min; i < max && !rg_grammar_is_failed(g); i++) {
        const rg_way next = rg_grammar_hole(g);
        rg_grammar_fill(g, s->tail, rg_grammar_call(g, rule, next), exit);
        s->tail = next;
    }
    rg_grammar_fill(g, s->tail, exit, RG_WAY_NONE);
    s->tail = exit;
}

void rg_sequence_end(rg_grammar *g, rg_sequence *s) {
    rg_grammar_fill(g, s->tail, rg_grammar_end(g), RG_WAY_NONE);
    s->ways = rg_grammar_either(g, s->begin, s->ways);
}

void rg_sequence_close(rg_grammar *g, const rg_sequence *s) {
    rg_grammar_set(g, s->rule, s->ways);
}
