// SPDX-License-Identifier: MIT
/// `keep_freed_memory`: keeps glibc from returning freed memory to the system between training steps.
#pragma once

#include <cstdlib>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace pam {

/// Makes the process keep up to 2 GB of freed memory instead of returning it to the system. A network allocates and
/// frees the same large activations in every step; memory that was returned must be mapped and zeroed again, page by
/// page. This is a setting of the whole process, to be called in main(); it does nothing without glibc's allocator.
inline void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  mallopt(M_TOP_PAD, 256 << 20);
#endif
}

}  // namespace pam
