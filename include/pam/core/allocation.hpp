// SPDX-License-Identifier: MIT
/// How the process keeps memory between steps.
#pragma once

#include <cstdlib>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace pam {

/// Lets the process keep what it frees, up to 2 GB, instead of returning it to the system. A network frees and takes
/// the same large activations in every step; returned ones are faulted in and zeroed again, page by page. A setting of
/// the whole process, for its main(); does nothing where the allocator is not glibc's.
inline void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  mallopt(M_TOP_PAD, 256 << 20);
#endif
}

}  // namespace pam
