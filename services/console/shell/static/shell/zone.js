// The zone in which times are shown: UTC, or the browser's if the user chose it.

export const isLocal = () => globalThis.document?.documentElement.dataset.zone === "local";
export const zoneName = () => document.documentElement.dataset.zoneName ?? "UTC";

// A date whose UTC fields are those of the shown zone.
export function inZone(ms) {
  const date = new Date(ms);
  return isLocal() ? new Date(ms - date.getTimezoneOffset() * 60_000) : date;
}

export function toggleZone() {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  document.cookie = isLocal() ? `timezone=; Path=/; Max-Age=0; SameSite=Lax${secure}` : `timezone=${name}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  location.reload();
}
