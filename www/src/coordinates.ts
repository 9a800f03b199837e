/** Where a place is, which tells places of the same name apart: "39.47° N, 0.38° W". */
export function coordinates({ lat, lng }: { readonly lat: number; readonly lng: number }): string {
  return `${degrees(lat, "N", "S")}, ${degrees(lng, "E", "W")}`;
}

function degrees(value: number, positive: string, negative: string): string {
  return `${Math.abs(value).toFixed(2)}° ${value < 0 ? negative : positive}`;
}
