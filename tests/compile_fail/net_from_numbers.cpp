// SPDX-License-Identifier: MIT
// expect: pam: UNet is built from its options; write UNet(UNetOptions<Stage>(...))
#include <pam/nets/unet.hpp>

#ifdef PAM_MISUSE
pam::UNet<pam::ConvBlock> net(4, 1);
#else
pam::UNet<pam::ConvBlock> net(pam::UNetOptions<pam::ConvBlock>(4, 1));
#endif
