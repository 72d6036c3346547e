// SPDX-License-Identifier: MIT
/// The version of pam. CMakeLists.txt reads these three lines, so this is the only place that holds it.
#pragma once

#define PAM_VERSION_MAJOR 0
#define PAM_VERSION_MINOR 1
#define PAM_VERSION_PATCH 0
#define PAM_VERSION "0.1.0"
