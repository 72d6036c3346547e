// SPDX-License-Identifier: MIT
/// The types of the zoo's networks. With pam::compiled, UNet<...> of these is compiled only in the library.
#pragma once

#include <pam/attention/attended.hpp>
#include <pam/attention/cbam.hpp>
#include <pam/attention/false_positive_attention.hpp>
#include <pam/attention/global_context.hpp>
#include <pam/attention/reverse_false_negative_attention.hpp>
#include <pam/attention/spatial_channel_squeeze_excite.hpp>
#include <pam/layers/dilated_block.hpp>
#include <pam/nets/gated_skip.hpp>
#include <pam/nets/unet.hpp>

#ifdef PAM_COMPILED
#define PAM_ZOO_NET(...) extern template class pam::UNetImpl<__VA_ARGS__>;

#include <pam/nets/detail/zoo_nets.hpp>

#undef PAM_ZOO_NET
#endif
