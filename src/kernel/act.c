#include "base/mem.h"
#include "kernel/kernels.h"

// every part of an rg_act starts at a multiple of this, and as much is left unused after it
#define PART_ALIGN 64

static const size_t value_bytes[RG_ACT_FORMS] = {
    [RG_ACT_F32] = sizeof(float), [RG_ACT_BF16] = sizeof(uint16_t), [RG_ACT_Q8] = 1};

static size_t data_bytes(rg_act_form form, size_t n_tok, size_t k) {
    return rg_round_up(n_tok * k * value_bytes[form], PART_ALIGN) + PART_ALIGN;
}

static size_t scale_bytes(rg_act_form form, size_t n_tok, size_t k) {
    return form != RG_ACT_Q8
               ? 0
               : rg_round_up(n_tok * (k / 32) * sizeof(float), PART_ALIGN) + PART_ALIGN;
}

static size_t sum_bytes(rg_act_form form, size_t n_tok, size_t k) {
    return form != RG_ACT_Q8
               ? 0
               : rg_round_up(n_tok * (k / 16) * sizeof(int32_t), PART_ALIGN) + PART_ALIGN;
}

size_t rg_act_bytes(rg_act_form form, size_t n_tok, size_t k) {
    return data_bytes(form, n_tok, k) + scale_bytes(form, n_tok, k) + sum_bytes(form, n_tok, k);
}

void rg_act_init(rg_act *act, rg_act_form form, size_t n_tok, size_t k, void *storage) {
    char *at = storage;
    *act = (rg_act){.form = form, .n_tok = n_tok, .k = k, .data = at};
    if (form == RG_ACT_Q8) {
        at += data_bytes(form, n_tok, k);
        act->scale = (float *)(void *)at;
        at += scale_bytes(form, n_tok, k);
        act->sum = (int32_t *)(void *)at;
    }
}

void rg_act_slice(rg_act *act, size_t from, size_t n) {
    act->data = (char *)act->data + from * act->k * value_bytes[act->form];
    act->n_tok = n;
    if (act->form == RG_ACT_Q8) {
        act->scale += from * (act->k / 32);
        act->sum += from * (act->k / 16);
    }
}
