// As libcommon/base/precompiled.h, for tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "libcommon/base/precompiled.h"
