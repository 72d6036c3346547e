#pragma once
#include <pam/core/error.hpp>
#include <pam/nets/unet.hpp>
