/* Which process records a run, so that one that was killed can be told from one at work. */
#pragma once

#include "base/buf.h"

enum { RG_PROCESS_BYTES = 256 };

/** This process: host, boot, number, and when it began; "" where the system does not say. */
void rg_process_self(char out[RG_PROCESS_BYTES]);
/** True when `process` ran here and is gone. What ran on another host is never known to be gone. */
bool rg_process_is_gone(const char *process);
/** A JSON object: name, system, cpu, threads, program. */
void rg_process_host(rg_buf *out, const char *program);
