// CHECK: assertions that stay on in production.
//
// They guard what this process computed, never what came from a client, a peer or the disk. A
// failure prints where and why and ends the process: going on with a broken invariant would risk
// acknowledged data.
#ifndef METASTORE_BASE_CHECK_H_
#define METASTORE_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define METASTORE_CHECK(condition, why)                                                            \
  do {                                                                                             \
    if (!(condition)) [[unlikely]] {                                                               \
      std::fprintf(stderr, "%s:%d: check failed: %s (%s)\n", __FILE__, __LINE__, #condition, why); \
      std::abort();                                                                                \
    }                                                                                              \
  } while (0)

#endif  // METASTORE_BASE_CHECK_H_
