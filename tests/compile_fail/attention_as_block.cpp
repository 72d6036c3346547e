// SPDX-License-Identifier: MIT
// expect: pam: this is an Attention, which keeps the shape, where a Block is due; write Attended<YourAttention>
#include <pam/attention/attended.hpp>
#include <pam/attention/squeeze_excite.hpp>
#include <pam/nets/unet.hpp>

#ifdef PAM_MISUSE
using Net = pam::UNet<pam::SqueezeExcite>;
#else
using Net = pam::UNet<pam::Attended<pam::SqueezeExcite>>;
#endif

Net make() { return Net(Net::Impl::Options(4, 1)); }
