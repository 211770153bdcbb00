/* Any bytes as a world, and as calls to a robot line by line: results are JSON, the robot stays
 * outside of everything. */
#include "body/drive.h"
#include "body/sim_flat.h"
#include "format/json.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact) {
    if (!fact) {
        __builtin_trap();
    }
}

static void one_call(rg_drive *drive, const rg_flat_world *world, rg_str line) {
    enum { TICKS = 300 };
    rg_arena arena;
    rg_buf result;
    bool is_busy = true;
    const rg_json *json = NULL;
    rg_arena_init(&arena, rg_mem_heap(), 1 << 22);
    rg_buf_init(&result, rg_mem_heap(), 0);
    rg_drive_start_call(drive, line);
    for (int i = 0; is_busy; i++) {
        if (i == TICKS) {
            rg_drive_stop(drive);
        }
        must(i <= TICKS);
        must(rg_drive_tick(drive, &is_busy, NULL) == RG_OK);
    }
    const rg_skill_state s = rg_drive_state(drive);
    must(rg_flat_clearance(world, s.x_m, s.y_m) > -1e-4 && isfinite(s.heading_rad));
    rg_drive_result(drive, &result);
    must(rg_json_parse(&arena, rg_buf_view(&result), &json, NULL) == RG_OK);
    must(rg_json_find(json, "ok") != NULL);
    rg_buf_clear(&result);
    rg_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rg_flat_world world;
    rg_str rest = {(const char *)data, size};
    rg_drive *drive = NULL;
    if (rg_flat_world_read(rg_mem_heap(), rest, &world, NULL) == RG_OK) {
        must(rg_flat_clearance(&world, world.x_m, world.y_m) >= 0);
    }
    rg_flat_world_default(&world);
    must(rg_drive_open(rg_mem_heap(), RG_STR("sim:flat"), &(rg_robot_options){0}, &drive, NULL) ==
         RG_OK);
    for (int n_lines = 0; rest.size > 0 && n_lines < 8; n_lines++) {
        const char *end = memchr(rest.data, '\n', rest.size);
        const size_t n = end == NULL ? rest.size : (size_t)(end - rest.data);
        one_call(drive, &world, rg_str_slice(rest, 0, n));
        rest = rg_str_slice(rest, n + 1, rest.size);
    }
    rg_drive_close(drive);
    return 0;
}
