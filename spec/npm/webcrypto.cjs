// Node 18 has the Web Crypto API only in a module; the SDKs look for it among the
// global names.
// SPDX-License-Identifier: MIT
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto;
