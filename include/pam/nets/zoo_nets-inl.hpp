// SPDX-License-Identifier: MIT
/// Compiles the networks of zoo_nets.hpp.
#pragma once

#include <pam/nets/zoo_nets.hpp>

#ifdef PAM_COMPILED
#define PAM_ZOO_NET(...) template class pam::UNetImpl<__VA_ARGS__>;

#include <pam/nets/detail/zoo_nets.hpp>

#undef PAM_ZOO_NET
#endif
