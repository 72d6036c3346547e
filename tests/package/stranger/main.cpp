// SPDX-License-Identifier: MIT
#include <pam/core/version.hpp>

#include <iostream>

int main() { std::cout << "a stranger's program with pam " << PAM_VERSION << std::endl; }
