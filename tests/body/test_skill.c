/* The table of skills: schemas as agreed, hostile arguments refused. */
#include "body/skill.h"
#include "format/json.h"
#include "support/shared.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

static rg_status read_call(const char *name, const char *args, rg_skill_call *out, rg_error *err) {
    return rg_skill_read(rg_mem_heap(), rg_str_of(name), rg_str_of(args), out, err);
}

static void reads_arguments_and_defaults(void **state) {
    (void)state;
    rg_skill_call call;
    rg_error err = {0};
    assert_int_equal(read_call("walk", "{\"distance\": -2}", &call, &err), RG_OK);
    assert_int_equal(call.skill->id, RG_SKILL_WALK);
    assert_true(call.numbers[0] == -2 && call.numbers[1] == 0.5);
    assert_int_equal(read_call("walk", "{\"speed\":0.2,\"distance\":1e0}", &call, &err), RG_OK);
    assert_true(call.numbers[0] == 1 && call.numbers[1] == 0.2);
    assert_int_equal(read_call("approach", "{\"object\":\"red ball\"}", &call, &err), RG_OK);
    assert_string_equal(call.object, "red ball");
    assert_true(call.numbers[1] == 0.5);
    assert_int_equal(read_call("stop", "", &call, &err), RG_OK);
    assert_int_equal(read_call("stop", " {} ", &call, &err), RG_OK);
    assert_int_equal(call.skill->id, RG_SKILL_STOP);
}

static void refuses_hostile_arguments_by_name(void **state) {
    (void)state;
    // clang-format off
    static const struct {
        const char *name, *args;
        rg_status status;
        const char *says;
    } rows[] = {
        {"fly", "{}", RG_E_NOT_FOUND, "no skill \"fly\""},
        {"", "{}", RG_E_NOT_FOUND, "no skill \"\""},
        {"Walk", "{\"distance\":1}", RG_E_NOT_FOUND, "Walk"},
        {"walk", "{}", RG_E_ARG, "distance is missing"},
        {"walk", "", RG_E_ARG, "distance is missing"},
        {"walk", "{\"distance\":\"2\"}", RG_E_ARG, "distance must be a number"},
        {"walk", "{\"distance\":null}", RG_E_ARG, "distance must be a number"},
        {"walk", "{\"distance\":true}", RG_E_ARG, "distance must be a number"},
        {"walk", "{\"distance\":[2]}", RG_E_ARG, "distance must be a number"},
        {"walk", "{\"distance\":NaN}", RG_E_FORMAT, "walk: the arguments"},
        {"walk", "{\"distance\":Infinity}", RG_E_FORMAT, "walk: the arguments"},
        {"walk", "{\"distance\":1e999}", RG_E_ARG, "distance is 1e999"},
        {"walk", "{\"distance\":-1e999}", RG_E_ARG, "distance is -1e999"},
        {"walk", "{\"distance\":100.5}", RG_E_ARG, "distance is 100.5, valid are -100 to 100"},
        {"walk", "{\"distance\":1,\"speed\":0}", RG_E_ARG, "speed is 0, valid are 0 (itself not) to 10"},
        {"walk", "{\"distance\":1,\"speed\":-0.5}", RG_E_ARG, "speed is -0.5"},
        {"walk", "{\"distance\":1,\"sped\":1}", RG_E_ARG, "no argument \"sped\""},
        {"walk", "{\"distance\":1,\"distance\":2}", RG_E_FORMAT, "walk: the arguments"},
        {"walk", "[1]", RG_E_ARG, "JSON object"},
        {"walk", "2", RG_E_ARG, "JSON object"},
        {"walk", "{\"distance\":1", RG_E_FORMAT, "walk: the arguments"},
        {"sit", "{\"x\":1}", RG_E_ARG, "no argument \"x\""},
        {"turn", "{\"angle\":3601}", RG_E_ARG, "angle is 3601"},
        {"wait", "{\"seconds\":-1}", RG_E_ARG, "seconds is -1"},
        {"wait", "{\"seconds\":3601}", RG_E_ARG, "seconds is 3601"},
        {"go_to", "{\"x\":1}", RG_E_ARG, "y is missing"},
        {"approach", "{\"object\":\"\"}", RG_E_ARG, "object has 0 bytes"},
        {"approach", "{\"object\":7}", RG_E_ARG, "object must be a text"},
        {"approach", "{\"object\":\"a\\u0000b\"}", RG_E_ARG, "object has 3 bytes"},
        {"approach", "{\"object\":\"ball\",\"distance\":-0.1}", RG_E_ARG, "distance is -0.1"},
    };
    // clang-format on
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rg_skill_call call = {.numbers = {77}};
        rg_error err = {0};
        assert_int_equal(read_call(rows[i].name, rows[i].args, &call, &err), rows[i].status);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s %s: \"%s\"", rows[i].name, rows[i].args, err.text);
        }
        assert_true(call.skill == NULL && call.numbers[0] == 77); // untouched
    }
}

static void both_sides_of_every_range(void **state) {
    (void)state;
    for (rg_skill_id id = 0; id < RG_SKILL_COUNT; id++) {
        const rg_skill *s = rg_skill_get(id);
        for (size_t i = 0; i < s->n_args; i++) {
            const rg_skill_arg *a = &s->args[i];
            for (int side = 0; side < 4 && !a->is_text; side++) {
                const double edge = side < 2 ? a->min : a->max;
                const double out = side == 1 ? -0.001 : side == 3 ? 0.001 : 0;
                char args[512];
                size_t n = (size_t)snprintf(args, sizeof args, "{\"%s\":%.6f", a->name, edge + out);
                for (size_t j = 0; j < s->n_args; j++) {
                    if (j != i && s->args[j].is_required) {
                        n += (size_t)snprintf(args + n, sizeof args - n, ",\"%s\":%s",
                                              s->args[j].name, s->args[j].is_text ? "\"x\"" : "1");
                    }
                }
                snprintf(args + n, sizeof args - n, "}");
                rg_skill_call call;
                const bool is_valid = out == 0 && !(side == 0 && a->excludes_least);
                assert_int_equal(read_call(s->name, args, &call, NULL),
                                 is_valid ? RG_OK : RG_E_ARG);
            }
        }
    }
}

static void arguments_have_a_size_limit(void **state) {
    (void)state;
    static char args[RG_SKILL_CALL_BYTES_MAX + 2];
    rg_skill_call call;
    memset(args, ' ', sizeof args - 1);
    memcpy(args, "{}", 2);
    assert_int_equal(read_call("sit", args, &call, NULL), RG_E_LIMIT);
    args[RG_SKILL_CALL_BYTES_MAX] = '\0';
    assert_int_equal(read_call("sit", args, &call, NULL), RG_OK);
    // the densest text of that size is an error of its own, not of memory
    memset(args, '[', RG_SKILL_CALL_BYTES_MAX);
    assert_int_equal(read_call("sit", args, &call, NULL), RG_E_LIMIT);
    for (size_t i = 0; i < RG_SKILL_CALL_BYTES_MAX; i++) {
        args[i] = i == 0 ? '[' : i == RG_SKILL_CALL_BYTES_MAX - 1 ? ']' : i % 2 == 1 ? '1' : ',';
    }
    args[RG_SKILL_CALL_BYTES_MAX - 2] = ' ';
    args[RG_SKILL_CALL_BYTES_MAX - 3] = '1';
    assert_int_equal(read_call("sit", args, &call, NULL), RG_E_ARG);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        torture t;
        rg_skill_call call;
        torture_init(&t, fail_at);
        const rg_status status =
            rg_skill_read(&t.mem, RG_STR("approach"),
                          RG_STR("{\"object\":\"\\u0062all\",\"distance\":1}"), &call, NULL);
        assert_int_equal(t.n_live, 0);
        if (t.n_made < fail_at) {
            assert_int_equal(status, RG_OK);
            assert_true(fail_at > 1);
            break;
        }
        assert_int_equal(status, RG_E_MEMORY);
    }
}

// the same values in the same order as the agreed file: models see the text of it
static void the_schemas_are_the_agreed_ones(void **state) {
    (void)state;
    const rg_str file = shared_read("commands/tools.json");
    rg_arena arena;
    rg_buf made, ours, theirs;
    rg_error err = {0};
    const rg_json *json = NULL;
    if (file.data == NULL) {
        printf("skipped: no commands/tools.json in %s\n", shared_folder());
        skip();
    }
    rg_arena_init(&arena, rg_mem_heap(), 0);
    rg_buf_init(&made, rg_mem_heap(), 0);
    rg_buf_init(&ours, rg_mem_heap(), 0);
    rg_buf_init(&theirs, rg_mem_heap(), 0);
    assert_int_equal(rg_json_parse(&arena, file, &json, &err), RG_OK);
    rg_str system = {0};
    assert_true(rg_json_str(rg_json_find(json, "system"), &system));
    assert_true(rg_str_is(system, rg_skill_system_prompt()));
    rg_json_write(&theirs, rg_json_find(json, "tools"));
    rg_skill_write_tools(&made);
    assert_int_equal(rg_json_parse(&arena, rg_buf_view(&made), &json, &err), RG_OK);
    rg_json_write(&ours, json);
    assert_string_equal(rg_buf_cstr(&ours), rg_buf_cstr(&theirs));
    rg_buf_clear(&made);
    rg_buf_clear(&ours);
    rg_buf_clear(&theirs);
    rg_free(rg_mem_heap(), (void *)file.data);
    rg_arena_clear(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_arguments_and_defaults),
        cmocka_unit_test(refuses_hostile_arguments_by_name),
        cmocka_unit_test(both_sides_of_every_range),
        cmocka_unit_test(arguments_have_a_size_limit),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_schemas_are_the_agreed_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
