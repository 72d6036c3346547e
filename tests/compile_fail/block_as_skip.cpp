// SPDX-License-Identifier: MIT
// expect: pam: a Skip needs Skip::Impl::Options with deep_channels and skip_channels, which UNet fills in
#include <pam/nets/unet.hpp>

#ifdef PAM_MISUSE
using Net = pam::UNet<pam::ConvBlock, pam::ConvBlock, pam::ConvBlock, pam::ConvBlock>;
#else
using Net = pam::UNet<pam::ConvBlock, pam::ConvBlock, pam::ConvBlock, pam::ConcatSkip>;
#endif

Net make() { return Net(Net::Impl::Options(1, 1)); }
