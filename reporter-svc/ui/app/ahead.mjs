// Asks for what nearly every first view begins with, while the rest of the page is still on its way.
import { ahead } from "./api.mjs";

ahead("/v1/session");
ahead("/v1/dashboard");
