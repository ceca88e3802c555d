// Many small files in one go: one trip to Node's thread pool instead of five to seven for each file.
//
// Paths come one after the other, each ended by a zero byte; what belongs to a path is a row of numbers. Work stops at the first row
// that fails, and says which and why; the rows before it are done.
#pragma once

#include <napi.h>

namespace swarm {

/**
 * readFiles(paths, rows, raw): each row is offset, length, and the file's size, change time and modification time (seconds and
 * nanoseconds each) as they were listed, or a size below 0 where any file will do. The bytes of all rows fill `raw`, one after the other. Links are not followed.
 * Resolves with [row, errno]; row -1: all done; ESTALE: the file is no longer the one that was listed, before or after the read.
 */
Napi::Value readFiles(const Napi::CallbackInfo& info);

/**
 * writeFiles(paths, rows, raw): each row is an offset in the file, an offset in `raw` and a length. Files are made where there are none.
 * Resolves as above.
 */
Napi::Value writeFiles(const Napi::CallbackInfo& info);

/**
 * moveFiles(paths, rows): two paths for each row, from and to; the row is the mode and modification time to set first. Resolves as above.
 */
Napi::Value moveFiles(const Napi::CallbackInfo& info);

/**
 * listFolder(path): resolves with [errno, names, numbers]: the names in the folder, each ended by a zero byte, and for each the mode, size,
 * modification time and change time of what it names, links not followed. In ascending byte order of names; entries that vanish meanwhile
 * are left out.
 */
Napi::Value listFolder(const Napi::CallbackInfo& info);

}  // namespace swarm
