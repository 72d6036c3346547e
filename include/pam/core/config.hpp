// SPDX-License-Identifier: MIT
/// Header-only or compiled. Header-only is the default: every definition is `inline` and comes with its header. A target
/// that links pam::compiled has PAM_COMPILED defined: headers then only declare what is not a template, and one library,
/// built once in that project, holds the definitions.
///
///     foo.hpp       declares; ends with  #ifndef PAM_COMPILED / #include <pam/x/foo-inl.hpp> / #endif
///     foo-inl.hpp   includes foo.hpp and defines, with PAM_FUNC before each function
#pragma once

#ifdef PAM_COMPILED
#define PAM_FUNC
/// Before the declaration of a function that needs the whole zoo, and PAM_LAZY_FUNC before its definition.
#define PAM_LAZY
#define PAM_LAZY_FUNC
#else
#define PAM_FUNC inline
/// Before a function that needs the whole zoo: a template, so that only a file that calls it compiles every network.
#define PAM_LAZY template <typename PamLazy = void>
#define PAM_LAZY_FUNC template <typename PamLazy>
#endif
