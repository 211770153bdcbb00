/*
 * gbnf.h: grammars as people write them for llama.cpp: rules `name ::= ...` of literals "text",
 * classes [a-z] and [^"\n], any character (.), names, groups (..), alternatives |, repetitions
 * * + ? {n} {n,} {n,m}, and comments after #. The text is what rule `root` matches.
 */
#pragma once

#include "sample/grammar.h"

#define RG_GBNF_BYTES_MAX (1 << 20) // of a grammar's text
#define RG_GBNF_NAMES_MAX 4096      // rules
#define RG_GBNF_NEST_MAX  64        // groups within each other

/** Errors: RG_E_FORMAT naming the line and what is wrong there; RG_E_ARG (nothing matches; a rule
 * begins with itself, named); RG_E_LIMIT; RG_E_MEMORY. */
rg_status rg_gbnf_grammar(const rg_mem *mem, rg_str text, rg_grammar **out,
                          rg_error *err) RG_MUST_CHECK;
