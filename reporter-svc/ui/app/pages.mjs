// Lists that come a page at a time.
import { useState } from "preact/hooks";
import { get, withQuery } from "./api.mjs";

/**
 * Further pages behind the first, which alone is live.
 * @param {string} path @param {any} first
 */
export function usePages(path, first) {
  const [older, set] = useState(/** @type {{path: string, items: any[], next: string | null} | null} */ (null));
  const own = older !== null && older.path === path ? older : null;
  const seen = new Set((first?.items ?? []).map((/** @type {any} */ it) => it.id ?? it.hash));
  const items = [...(first?.items ?? []), ...(own?.items ?? []).filter((it) => !seen.has(it.id ?? it.hash))];
  const next = own ? own.next : (first?.next ?? null);
  const more = async () => {
    const page = await get(withQuery(path, { cursor: next }));
    set({ path, items: [...(own?.items ?? []), ...page.items], next: page.next });
  };
  return { items, more: next === null ? null : more };
}
