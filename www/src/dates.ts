/** Dates as people read them, in the device's time zone and in the language of the page around them. */
const LANGUAGE = "en-GB";
const DAY_MS = 24 * 60 * 60 * 1000;

const weekday = new Intl.DateTimeFormat(LANGUAGE, { weekday: "short", day: "numeric", month: "short" });
const withYear = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** "14:03"; of another day "Tue, 3 Mar, 14:03". */
export function timeOfDay(time: Date, now: Date): string {
  const sameDay = daysBetween(now, time) === 0;
  return sameDay ? clock.format(time) : `${weekday.format(time)}, ${clock.format(time)}`;
}

/** "Today", "Tomorrow", "Yesterday", "Fri, 6 Mar", or with the year when that is another one. */
export function dueDay(due: Date, now: Date): string {
  switch (daysBetween(now, due)) {
    case -1:
      return "Yesterday";
    case 0:
      return "Today";
    case 1:
      return "Tomorrow";
    default:
      return due.getFullYear() === now.getFullYear() ? weekday.format(due) : withYear.format(due);
  }
}

export function isOverdue(due: Date, now: Date): boolean {
  return daysBetween(now, due) < 0;
}

/** As `<input type="date">` has it: 2026-03-09, in local time. */
export function toDateInput(date: Date): string {
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** A day as a time: local noon, which stays the same day in every neighbouring time zone. Nothing when it is not a date. */
export function fromDateInput(value: string): Date | undefined {
  const date = new Date(`${value}T12:00:00`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Whole local days from `from` to `to`. Rounded, because a day of the clock change is not 24 hours long. */
function daysBetween(from: Date, to: Date): number {
  const midnight = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  return Math.round((midnight(to) - midnight(from)) / DAY_MS);
}
