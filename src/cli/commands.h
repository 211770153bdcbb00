/* The commands: each takes its own arguments, argv[0] being its name, and returns the exit status.
 */
#pragma once

typedef int cli_command_fn(int argc, char **argv);

cli_command_fn cmd_run, cmd_logits, cmd_tokenize, cmd_template, cmd_show, cmd_bench, cmd_doctor,
    cmd_version, cmd_train, cmd_tune, cmd_merge, cmd_inspect, cmd_steer, cmd_robot, cmd_runs,
    cmd_eval, cmd_serve, cmd_quantize, cmd_imatrix, cmd_parse, cmd_verify, cmd_pull, cmd_list,
    cmd_rm, cmd_du;
