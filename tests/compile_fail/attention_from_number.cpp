// SPDX-License-Identifier: MIT
// expect: pam: SqueezeExcite is built from its options; write SqueezeExcite(SqueezeExciteOptions(...))
#include <pam/attention/squeeze_excite.hpp>

#ifdef PAM_MISUSE
pam::SqueezeExcite attention(64);
#else
pam::SqueezeExcite attention(pam::SqueezeExciteOptions(64));
#endif
