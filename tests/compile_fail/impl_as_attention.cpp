// SPDX-License-Identifier: MIT
// expect: pam: an Attention must be a module holder, as TORCH_MODULE makes it
#include <pam/attention/attended.hpp>
#include <pam/attention/squeeze_excite.hpp>

#ifdef PAM_MISUSE
pam::AttendedOptions<pam::SqueezeExciteImpl> options(1, 1);
#else
pam::AttendedOptions<pam::SqueezeExcite> options(1, 1);
#endif
