/* Pieces that expressions are made of, written forward: sets of characters, and groups of ways that
 * things are appended to. For grammars whose text is read from its beginning. */
#pragma once

#include "sample/grammar.h"

#define RG_POINTS_RANGES_MAX 256      // of one set
#define RG_POINT_LAST        0x10FFFF // the last code point
#define RG_REPEAT_MAX        65536    // times of one thing

/** A set of code points. */
typedef struct rg_points {
    struct {
        uint32_t from, to;
    } ranges[RG_POINTS_RANGES_MAX];
    size_t n;
} rg_points;

/** Add a range; false when there is no room. */
bool rg_points_put(rg_points *set, uint32_t from, uint32_t to);
/** All others instead. */
void rg_points_invert(rg_points *set);
/** The rule of one code point of a set, as UTF-8. */
uint32_t rg_points_rule(rg_grammar *g, const rg_points *set);
/** One code point between two bounds as UTF-8, then next. */
rg_way rg_points_utf8(rg_grammar *g, uint32_t from, uint32_t to, rg_way next);

/** Alternatives: those that are complete, and the one being written. */
typedef struct rg_sequence {
    uint32_t rule; // of all of them
    rg_way ways;   // the complete ones
    rg_way begin;  // of the one being written
    rg_way tail;   // a hole: where it goes on
} rg_sequence;

/** A group whose rule is given, with its first way begun. */
void rg_sequence_open(rg_grammar *g, rg_sequence *s, uint32_t rule);
/** Another way begins; the one before must have been ended. */
void rg_sequence_next(rg_grammar *g, rg_sequence *s);
/** A rule at least min times and at most max (SIZE_MAX: no bound). */
void rg_sequence_append(rg_grammar *g, rg_sequence *s, uint32_t rule, size_t min, size_t max);
/** The way being written is complete. */
void rg_sequence_end(rg_grammar *g, rg_sequence *s);
/** The group is complete: its rule has all its ways. */
void rg_sequence_close(rg_grammar *g, const rg_sequence *s);
