/* Mixes against what llama.cpp's own quantizer gave models of the same shapes (libllama 0.5.0). */
#include "lab/quant_mix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { LAYERS = 24 };

static rg_tensor matrix(const char *name, size_t rows, size_t cols) {
    return (rg_tensor){
        .name = rg_str_of(name), .dtype = RG_DTYPE_F32, .n_dims = 2, .shape = {rows, cols}};
}

// 24 layers, four query heads to a key head, a head of its own
static rg_mix_model model_of(void) {
    return (rg_mix_model){.family = RG_STR("qwen3"),
                          .n_layer = LAYERS,
                          .n_head = 4,
                          .n_kv_head = 1,
                          .has_output = true,
                          .output_type = RG_DTYPE_COUNT,
                          .embed_type = RG_DTYPE_COUNT};
}

static rg_dtype type_of(const char *mix, const rg_mix_model *model, const char *name) {
    const rg_tensor t = matrix(name, 256, 256);
    const rg_mix *m = rg_mix_find(rg_str_of(mix));
    assert_non_null(m);
    assert_true(rg_mix_applies(&t));
    return rg_mix_type(m, model, &t);
}

/** What a mix gives: most matrices, the head, and for two kinds one letter a layer. */
static const struct {
    const char *mix;
    rg_dtype most, head, attn_output;
    const char *attn_v; // 2 .. 6: Q2_K .. Q6_K, 8: Q8_0, others as `most`
    const char *ffn_down;
} rows[] = {
    {"q8_0", RG_DTYPE_Q8_0, RG_DTYPE_Q8_0, RG_DTYPE_Q8_0, "........................",
     "........................"},
    {"q6_k", RG_DTYPE_Q6_K, RG_DTYPE_Q6_K, RG_DTYPE_Q6_K, "........................",
     "........................"},
    {"q5_k_m", RG_DTYPE_Q5_K, RG_DTYPE_Q6_K, RG_DTYPE_Q5_K, "666..6..6..6..6..6..6666",
     "666..6..6..6..6..6..6666"},
    {"q5_k_s", RG_DTYPE_Q5_K, RG_DTYPE_Q6_K, RG_DTYPE_Q5_K, "........................",
     "........................"},
    {"q4_k_m", RG_DTYPE_Q4_K, RG_DTYPE_Q6_K, RG_DTYPE_Q4_K, "666..6..6..6..6..6..6666",
     "666..6..6..6..6..6..6666"},
    {"q4_k_s", RG_DTYPE_Q4_K, RG_DTYPE_Q6_K, RG_DTYPE_Q4_K, "5555....................",
     "555....................."},
    {"q3_k_l", RG_DTYPE_Q3_K, RG_DTYPE_Q6_K, RG_DTYPE_Q5_K, "555555555555555555555555",
     "555555555555555555555555"},
    {"q3_k_m", RG_DTYPE_Q3_K, RG_DTYPE_Q6_K, RG_DTYPE_Q4_K, "554444444444444444444444",
     "544444444444444444444444"},
    {"q3_k_s", RG_DTYPE_Q3_K, RG_DTYPE_Q6_K, RG_DTYPE_Q3_K, "........................",
     "........................"},
    {"q2_k", RG_DTYPE_Q2_K, RG_DTYPE_Q6_K, RG_DTYPE_Q3_K, "444444444444444444444444",
     "333333333333333333333333"},
    {"q2_k_s", RG_DTYPE_Q2_K, RG_DTYPE_Q6_K, RG_DTYPE_Q2_K, "444444444444444444444444",
     "444....................."},
    {"q4_0", RG_DTYPE_Q4_0, RG_DTYPE_Q6_K, RG_DTYPE_Q4_0, "........................",
     "........................"},
    {"q5_1", RG_DTYPE_Q5_1, RG_DTYPE_Q6_K, RG_DTYPE_Q5_1, "........................",
     "........................"},
    {"iq4_nl", RG_DTYPE_IQ4_NL, RG_DTYPE_Q6_K, RG_DTYPE_IQ4_NL, "555555555555555555555555",
     "555....................."},
    {"iq4_xs", RG_DTYPE_IQ4_XS, RG_DTYPE_Q6_K, RG_DTYPE_IQ4_XS, "555555555555555555555555",
     "555....................."},
    {"mxfp4", RG_DTYPE_MXFP4, RG_DTYPE_Q8_0, RG_DTYPE_MXFP4, "........................",
     "........................"},
    {"bf16", RG_DTYPE_BF16, RG_DTYPE_BF16, RG_DTYPE_BF16, "........................",
     "........................"},
};

static rg_dtype type_of_letter(char letter, rg_dtype most) {
    switch (letter) {
    case '3':
        return RG_DTYPE_Q3_K;
    case '4':
        return RG_DTYPE_Q4_K;
    case '5':
        return RG_DTYPE_Q5_K;
    case '6':
        return RG_DTYPE_Q6_K;
    default:
        return most;
    }
}

static void mixes_are_as_written_down(void **state) {
    (void)state;
    const rg_mix_model model = model_of();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *mix = rows[i].mix;
        assert_int_equal(type_of(mix, &model, "output.weight"), rows[i].head);
        assert_int_equal(type_of(mix, &model, "blk.0.attn_q.weight"), rows[i].most);
        assert_int_equal(type_of(mix, &model, "blk.0.ffn_up.weight"), rows[i].most);
        assert_int_equal(type_of(mix, &model, "blk.0.attn_output.weight"), rows[i].attn_output);
        for (int layer = 0; layer < LAYERS; layer++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%d.attn_v.weight", layer);
            assert_int_equal(type_of(mix, &model, name),
                             type_of_letter(rows[i].attn_v[layer], rows[i].most));
            snprintf(name, sizeof name, "blk.%d.ffn_down.weight", layer);
            assert_int_equal(type_of(mix, &model, name),
                             type_of_letter(rows[i].ffn_down[layer], rows[i].most));
        }
    }
}

static void what_the_model_is_counts(void **state) {
    (void)state;
    rg_mix_model m = model_of();
    // fewer query heads to a key head
    m.n_kv_head = 2;
    assert_int_equal(type_of("q2_k", &m, "blk.9.attn_v.weight"), RG_DTYPE_Q3_K);
    assert_int_equal(type_of("iq4_xs", &m, "blk.9.attn_v.weight"), RG_DTYPE_IQ4_XS);
    // an importance matrix
    m.has_importance = true;
    assert_int_equal(type_of("iq4_nl", &m, "blk.0.ffn_down.weight"), RG_DTYPE_IQ4_NL);
    assert_int_equal(type_of("q4_0", &m, "blk.0.ffn_down.weight"), RG_DTYPE_Q4_1);
    assert_int_equal(type_of("q5_0", &m, "blk.2.ffn_down.weight"), RG_DTYPE_Q5_1);
    assert_int_equal(type_of("q4_0", &m, "blk.3.ffn_down.weight"), RG_DTYPE_Q4_0);
    // the embedding as head, and without
    assert_int_equal(type_of("q4_k_m", &m, "token_embd.weight"), RG_DTYPE_Q4_K);
    assert_int_equal(type_of("mxfp4", &m, "token_embd.weight"), RG_DTYPE_Q8_0);
    m.has_output = false;
    assert_int_equal(type_of("q4_k_m", &m, "token_embd.weight"), RG_DTYPE_Q6_K);
    // asked for by name
    m.embed_type = RG_DTYPE_Q5_K;
    assert_int_equal(type_of("q4_k_m", &m, "token_embd.weight"), RG_DTYPE_Q5_K);
    m.output_type = RG_DTYPE_F16;
    assert_int_equal(type_of("q4_k_m", &m, "token_embd.weight"), RG_DTYPE_F16);
    m.has_output = true;
    assert_int_equal(type_of("q4_k_m", &m, "output.weight"), RG_DTYPE_F16);
    // eight experts
    m.n_expert = 8;
    assert_int_equal(type_of("q4_k_m", &m, "blk.3.attn_v.weight"), RG_DTYPE_Q8_0);
    assert_int_equal(type_of("q4_k_m", &m, "blk.3.attn_k.weight"), RG_DTYPE_Q8_0);
    assert_int_equal(type_of("q4_k_m", &m, "blk.3.attn_output.weight"), RG_DTYPE_Q5_K);
    // experts alone get MXFP4 where there are any
    const rg_tensor experts = {
        .name = RG_STR("blk.0.ffn_up_exps.weight"), .n_dims = 3, .shape = {8, 256, 256}};
    assert_int_equal(rg_mix_type(rg_mix_find(RG_STR("mxfp4")), &m, &experts), RG_DTYPE_MXFP4);
    assert_int_equal(type_of("mxfp4", &m, "blk.0.ffn_gate.weight"), RG_DTYPE_Q8_0);
}

static void deep_models_of_two_families_keep_their_values(void **state) {
    (void)state;
    rg_mix_model m = model_of();
    m.n_layer = 80;
    m.n_head = 8;
    assert_int_equal(type_of("q4_k_m", &m, "blk.11.attn_v.weight"), RG_DTYPE_Q4_K);
    m.family = RG_STR("llama");
    assert_int_equal(type_of("q4_k_m", &m, "blk.11.attn_v.weight"), RG_DTYPE_Q5_K);
    assert_int_equal(type_of("q4_k_m", &m, "blk.0.attn_v.weight"), RG_DTYPE_Q6_K);
    m.n_kv_head = 8;
    assert_int_equal(type_of("q4_k_m", &m, "blk.11.attn_v.weight"), RG_DTYPE_Q4_K);
}

static void rows_that_blocks_do_not_divide_get_stand_ins(void **state) {
    (void)state;
    static const struct {
        rg_dtype wanted, at_96, at_48;
    } fits[] = {
        {RG_DTYPE_Q2_K, RG_DTYPE_Q4_0, RG_DTYPE_F16},
        {RG_DTYPE_Q3_K, RG_DTYPE_Q4_0, RG_DTYPE_F16},
        {RG_DTYPE_Q4_K, RG_DTYPE_Q5_0, RG_DTYPE_F16},
        {RG_DTYPE_Q5_K, RG_DTYPE_Q5_1, RG_DTYPE_F16},
        {RG_DTYPE_Q6_K, RG_DTYPE_Q8_0, RG_DTYPE_F16},
        {RG_DTYPE_IQ4_XS, RG_DTYPE_IQ4_NL, RG_DTYPE_F16},
        {RG_DTYPE_Q8_0, RG_DTYPE_Q8_0, RG_DTYPE_F16},
        {RG_DTYPE_MXFP4, RG_DTYPE_MXFP4, RG_DTYPE_F16},
        {RG_DTYPE_BF16, RG_DTYPE_BF16, RG_DTYPE_BF16},
    };
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        assert_int_equal(rg_mix_fitting(fits[i].wanted, 512), fits[i].wanted);
        assert_int_equal(rg_mix_fitting(fits[i].wanted, 96), fits[i].at_96);
        assert_int_equal(rg_mix_fitting(fits[i].wanted, 48), fits[i].at_48);
    }
    // a head whose rows do not suit the mix is Q8_0 from the start
    const rg_mix_model m = model_of();
    const rg_tensor head = matrix("output.weight", 256, 96);
    assert_int_equal(rg_mix_type(rg_mix_find(RG_STR("q4_k_m")), &m, &head), RG_DTYPE_Q8_0);
    assert_int_equal(rg_mix_type(rg_mix_find(RG_STR("q4_0")), &m, &head), RG_DTYPE_Q6_K);
}

static void norms_biases_and_routers_are_left_alone(void **state) {
    (void)state;
    static const char *const kept[] = {"blk.0.attn_norm.weight", "blk.0.attn_q_norm.weight",
                                       "blk.0.ffn_gate_inp.weight", "blk.0.attn_q.bias",
                                       "blk.0.ssm_conv1d.weight"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const rg_tensor t = matrix(kept[i], 4, 256);
        assert_false(rg_mix_applies(&t));
    }
    const rg_tensor vector = {
        .name = RG_STR("blk.0.attn_q.weight"), .n_dims = 2, .shape = {1, 256}};
    assert_false(rg_mix_applies(&vector));
}

static void names_are_found_in_any_case(void **state) {
    (void)state;
    assert_ptr_equal(rg_mix_find(RG_STR("Q4_K_M")), rg_mix_find(RG_STR("q4_k_m")));
    assert_ptr_equal(rg_mix_find(RG_STR("q4_k")), rg_mix_find(RG_STR("q4_k_m")));
    assert_int_equal(rg_mix_find(RG_STR("q4_k_m"))->file_type, 15);
    assert_null(rg_mix_find(RG_STR("q4_k_x")));
    assert_null(rg_mix_find(RG_STR("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixes_are_as_written_down),
        cmocka_unit_test(what_the_model_is_counts),
        cmocka_unit_test(deep_models_of_two_families_keep_their_values),
        cmocka_unit_test(rows_that_blocks_do_not_divide_get_stand_ins),
        cmocka_unit_test(norms_biases_and_routers_are_left_alone),
        cmocka_unit_test(names_are_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
