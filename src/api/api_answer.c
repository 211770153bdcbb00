/* Reading answers: the public face of chat/answer.h. */
#include "api/api_internal.h"

#include "chat/answer.h"

struct raga_answer {
    rg_answer *answer;
    raga_piece_fn *fn;
    void *arg;
    rg_arena arena; // of the tools
};

_Static_assert((int)RAGA_PIECE_TEXT == (int)RG_PIECE_TEXT &&
                   (int)RAGA_PIECE_REASONING == (int)RG_PIECE_REASONING &&
                   (int)RAGA_PIECE_CALL == (int)RG_PIECE_CALL &&
                   (int)RAGA_PIECE_ARGUMENTS == (int)RG_PIECE_ARGUMENTS &&
                   (int)RAGA_PIECE_CALL_END == (int)RG_PIECE_CALL_END &&
                   (int)RAGA_PIECE_BROKEN == (int)RG_PIECE_BROKEN,
               "kinds are handed over as they are");

raga_piece api_piece(const rg_piece *piece) {
    return (raga_piece){.size = sizeof(raga_piece),
                        .kind = (raga_piece_kind)piece->kind,
                        .call = piece->call,
                        .text = piece->text.data,
                        .text_size = piece->text.size,
                        .id = piece->id.data,
                        .id_size = piece->id.size};
}

static void relay_piece(void *arg, const rg_piece *piece) {
    const raga_answer *a = arg;
    const raga_piece out = api_piece(piece);
    a->fn(a->arg, &out);
}

static rg_status read_tools(raga_answer *a, const char *tools, const rg_json **out, rg_error *err) {
    const rg_status status =
        tools == NULL ? RG_OK : rg_json_parse(&a->arena, rg_str_of(tools), out, err);
    if (status != RG_OK) {
        rg_error_prefix(err, "tools");
    } else if (*out != NULL && (*out)->kind != RG_JSON_ARRAY) {
        return rg_fail(err, RG_E_FORMAT, "tools are a list");
    }
    return status;
}

raga_status raga_answer_new(const char *dialect, const char *prompt_end, size_t size,
                            raga_piece_fn *fn, void *arg, raga_answer **out, raga_error *error) {
    return raga_answer_new_of_tools(dialect, NULL, prompt_end, size, fn, arg, out, error);
}

raga_status raga_answer_new_of_tools(const char *dialect, const char *tools, const char *prompt_end,
                                     size_t size, raga_piece_fn *fn, void *arg, raga_answer **out,
                                     raga_error *error) {
    enum { TREE_BYTES_MAX = 64 << 20 };
    rg_error err = {0};
    const rg_json *declared = NULL;
    if (fn == NULL || out == NULL || (prompt_end == NULL && size != 0)) {
        return api_bad(error, "nobody to hand pieces to, or no place for the reader");
    }
    const rg_dialect *d = dialect == NULL ? rg_dialect_at(0) : rg_dialect_find(rg_str_of(dialect));
    if (d == NULL) {
        return api_fail(
            error, rg_fail(&err, RG_E_NOT_FOUND, "there is no dialect \"%.64s\"", dialect), &err);
    }
    raga_answer *a = rg_new(rg_mem_heap(), sizeof *a);
    if (a == NULL) {
        return api_fail(error, rg_fail(&err, RG_E_MEMORY, "no memory to read an answer"), &err);
    }
    a->fn = fn;
    a->arg = arg;
    rg_arena_init(&a->arena, rg_mem_heap(), TREE_BYTES_MAX);
    const bool is_in_thought = rg_dialect_is_in_thought(d, (rg_str){prompt_end, size});
    rg_status status = read_tools(a, tools, &declared, &err);
    if (status == RG_OK) {
        status = rg_answer_new(rg_mem_heap(), d, declared, is_in_thought, relay_piece, a,
                               &a->answer, &err);
    }
    if (status != RG_OK) {
        raga_answer_free(a);
        return api_fail(error, status, &err);
    }
    *out = a;
    return RAGA_OK;
}

void raga_answer_free(raga_answer *a) {
    if (a != NULL) {
        rg_answer_free(a->answer);
        rg_arena_clear(&a->arena);
        rg_free(rg_mem_heap(), a);
    }
}

raga_status raga_answer_feed(raga_answer *a, const char *text, size_t size, raga_error *error) {
    rg_error err = {0};
    return api_fail(error, rg_answer_feed(a->answer, (rg_str){text, size}, &err), &err);
}

raga_status raga_answer_finish(raga_answer *a, raga_error *error) {
    rg_error err = {0};
    return api_fail(error, rg_answer_finish(a->answer, &err), &err);
}

const char *raga_dialect_name(size_t i) {
    const rg_dialect *d = rg_dialect_at(i);
    return d == NULL ? NULL : d->name;
}

const char *raga_model_dialect(const raga_model *model) {
    return api_dialect(model)->name;
}
