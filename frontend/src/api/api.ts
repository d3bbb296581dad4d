import { hearServerTime } from "../clock";
import { apiKey } from "../settings/preferences";
import { createApi } from "./client";

export const api = createApi({ key: () => apiKey.value || null, onServerTime: hearServerTime });
