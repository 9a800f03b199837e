/** The development users of `www/server.toml`. */
export const USERS = {
  ana: { token: "dev-ana", country: "ES" },
  ben: { token: "dev-ben", country: "DE" },
  cleo: { token: "dev-cleo", country: "KE" },
} as const;

export type UserId = keyof typeof USERS;
