// The addon's `network` object: what native/net does, for the transports.
// Declared in src/storage/native-network.ts.
#ifndef METASTORE_ADDON_VALUES_NETWORK_H_
#define METASTORE_ADDON_VALUES_NETWORK_H_

#include <napi.h>

namespace metastore::addon {

Napi::Object ToNetwork(Napi::Env env);

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_VALUES_NETWORK_H_
