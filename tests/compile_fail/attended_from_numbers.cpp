// SPDX-License-Identifier: MIT
// expect: pam: Attended is built from its options; write Attended(AttendedOptions<Attention>(...))
#include <pam/attention/attended.hpp>
#include <pam/attention/cbam.hpp>

#ifdef PAM_MISUSE
pam::Attended<pam::CBAM> block(3, 64);
#else
pam::Attended<pam::CBAM> block(pam::AttendedOptions<pam::CBAM>(3, 64));
#endif
