// SPDX-License-Identifier: MIT
/// The main of pam_tests, for Catch2 2 and 3. Compiled without the shared precompiled header: with Catch2 2 the
/// configuration macro must stand before the first include of Catch.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char* argv[]) { return Catch::Session().run(argc, argv); }
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
